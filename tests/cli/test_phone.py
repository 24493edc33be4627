"""`her-os phone`: the password is shown once, mistakes are told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from her_os.cli.phone import app
from her_os.contracts.errors import HerOsError


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    file = tmp_path / "her-os.yaml"
    file.write_text("phone:\n  allowlist: [kitchen]\n")
    return ["--config", str(file)]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_add_list_remove(config: list[str]) -> None:
    added = run("add", "kitchen", *config)
    password = added.split("password")[1].split()[0]
    run("add", "hall", *config)
    listed = run("list", *config)
    assert password not in listed
    assert "hall" in listed
    rows = {row["name"]: row["may_call"] for row in json.loads(run("list", "--json", *config))}
    assert rows == {"kitchen": True, "hall": False}
    assert "removed" in run("remove", "kitchen", *config)
    with pytest.raises(HerOsError, match="no account"):
        run("remove", "kitchen", *config)


def test_an_account_outside_the_allowlist_is_told(config: list[str]) -> None:
    assert "403" in run("add", "hall", *config)
    assert "403" not in run("add", "kitchen", *config)


def test_names(config: list[str]) -> None:
    with pytest.raises(HerOsError, match="account name"):
        run("add", "Küche", *config)
    run("add", "x", *config)
    with pytest.raises(HerOsError, match="exists"):
        run("add", "x", *config)


def test_an_empty_list(config: list[str]) -> None:
    assert "No accounts yet" in run("list", *config)
