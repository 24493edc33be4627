"""`her-os phone`: the password is shown once, mistakes are told in words."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from her_os.cli.phone import app
from her_os.contracts.errors import HerOsError
from her_os.daemons import addresses
from her_os.settings.schema import Phone


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


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        (
            "{}",
            [
                "server    192.0.2.20, port 5060, transport UDP or TCP",
                "network of this machine: 192.0.2.10",
                "sip:her@192.0.2.20",
            ],
        ),
        ("{sip_port: 5070}", ["server    192.0.2.20, port 5070", "sip:her@192.0.2.20:5070"]),
        ("{sip_host: '::'}", ["server    192.0.2.20, port 5060"]),
        ("{sip_host: 192.0.2.10}", ["server    192.0.2.10, port 5060", "sip:her@192.0.2.10"]),
        ("{advertised_host: house.example.net}", ["server    house.example.net, port 5060"]),
        (
            "{sip_host: 127.0.0.1}",
            ["listens on 127.0.0.1, which no other machine can reach", "set phone.sip_host to 0.0.0.0 in"],
        ),
        ("{sip_host: localhost, advertised_host: house.example.net}", ["listens on localhost, which no other machine"]),
    ],
)
def test_add_says_where_to_point_the_phone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phone: str, expected: list[str]
) -> None:
    monkeypatch.setattr(addresses, "_own_addresses", lambda: ["192.0.2.10", "192.0.2.20"])
    monkeypatch.setattr(addresses, "_outward_address", lambda: "192.0.2.20")
    file = tmp_path / "c.yaml"
    file.write_text(f"phone: {phone}\n")
    added = run("add", "kitchen", "--config", str(file))
    for words in expected:
        assert words in added
    assert ("sip:her@" in added) is ("no other machine" not in added)


def test_add_on_a_machine_without_a_network(config: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_own_addresses", list)
    assert "no address in a network at the moment" in run("add", "kitchen", *config)


def test_addresses_of_this_machine_are_none_of_its_own_loopback() -> None:
    for address in addresses.house_addresses(Phone()):
        assert not ipaddress.ip_address(address).is_loopback


def test_names(config: list[str]) -> None:
    with pytest.raises(HerOsError, match="account name"):
        run("add", "Küche", *config)
    run("add", "x", *config)
    with pytest.raises(HerOsError, match="exists"):
        run("add", "x", *config)


def test_an_empty_list(config: list[str]) -> None:
    assert "No accounts yet" in run("list", *config)
