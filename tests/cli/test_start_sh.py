"""./start.sh where nothing is installed yet: what it says, what it checks, what it leaves alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [
    "start.sh",
    "pyproject.toml",
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-carried.lock",
    "config",
    "scripts",
]


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A copy of what start.sh needs, without an environment, and an empty home."""
    folder = tmp_path / "her os"
    folder.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    (tmp_path / "home").mkdir()
    return folder


def start(folder: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        "HOME": str(folder.parent / "home"),
        "PATH": os.environ["PATH"],
        "HER_OS_CACHE_DIR": str(folder.parent / "cache"),
    }
    return subprocess.run(
        [folder / "start.sh", *arguments],
        cwd=cwd or folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_says_what_it_does_to_the_system(fresh: Path) -> None:
    result = start(fresh, "--help")
    assert result.returncode == 0
    for word in ("--barge-in", "--check", "--config", "--build-llama-server", "apt-get", "libflite1", "secrets.env"):
        assert word in result.stdout
    assert "set -e" not in result.stdout


def test_check_names_what_is_missing_and_changes_nothing(fresh: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = start(fresh, "--check", cwd=Path("/"))
    assert result.returncode == 1
    assert "Python packages (hashes checked)" in result.stderr
    assert f"write development secrets to {tmp_path}/home/.her-os/secrets.env" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_each_tier_of_the_tests_can_be_checked(fresh: Path) -> None:
    plain, test = start(fresh, "--check"), start(fresh, "test", "--check")
    assert _packages(test.stderr) > _packages(plain.stderr) > 0
    assert "build llama-server" in start(fresh, "test", "--llama-server", "--check").stderr
    assert "build llama-server" not in test.stderr


def _packages(said: str) -> int:
    return next(int(line.split()[3]) for line in said.splitlines() if "Python packages" in line)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--nonsense"], "unknown argument '--nonsense'"),
        (["--config", "nowhere.yaml"], "there is no configuration file"),
        (["--config"], "--config needs a file"),
        (["--engines"], "./start.sh test --engines"),
    ],
)
def test_a_slip_is_refused_before_anything_is_done(fresh: Path, arguments: list[str], complaint: str) -> None:
    result = start(fresh, *arguments)
    assert result.returncode != 0
    assert complaint in result.stderr
    assert not (fresh / ".venv").exists()


def test_secrets_are_written_once_private_and_kept(fresh: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "home" / ".her-os" / "secrets.env"
    command = [fresh / "config" / "dev-setup.sh", str(secrets)]
    subprocess.run(command, check=True, capture_output=True)
    first = secrets.read_text()
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert len(first.splitlines()) == 5
    assert "secrets.env" not in start(fresh, "--check").stderr
    secrets.write_text(first.replace(first.splitlines()[1], "HER_OS_TTS_TOKEN=short"))
    subprocess.run(command, check=True, capture_output=True)
    second = secrets.read_text()
    assert second.splitlines()[0] == first.splitlines()[0], "good tokens are kept"
    assert "short" not in second


def test_no_machine_or_registry_is_named_in_what_is_committed() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "start.sh", "pyproject.toml"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        assert "index-url" not in text, name


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.lock", ["build"]), ("requirements-dev.lock", ["build", "dev"])]
)
def test_the_locks_are_in_step_with_pyproject(lock: str, groups: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted: list[str] = [*project["project"]["dependencies"]]
    for group in groups:
        wanted += project["dependency-groups"][group]
    pinned = {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+) ", (ROOT / lock).read_text(), re.MULTILINE)
    }
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), f"{requirement}: lock again"


def test_the_development_lock_holds_all_of_the_other() -> None:
    def pins(name: str) -> set[str]:
        return {line.split()[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}

    assert pins("requirements.lock") < pins("requirements-dev.lock")
