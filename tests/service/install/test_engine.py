"""`her-os install --engine`: what it says before it builds, and that the installed copy can build, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError, HerOsError
from her_os.service.install import engine as engines
from her_os.service.install.engine import find_engine, install_engine, shipped_scripts
from her_os.service.install.environment import _copy_ourselves


def test_every_lock_is_an_engine_and_what_it_takes_is_said_before(tmp_path: Path) -> None:
    locks = sorted(path.stem for path in (shipped_scripts() / "engine_locks").glob("*.lock"))
    assert {"faster-whisper", "parakeet"} <= set(locks)
    for name in locks:
        said: list[str] = []
        install_engine(find_engine(name, tmp_path), said.append, dry_run=True)
        (line,) = said
        assert line.startswith(f"{name}: ")
        assert f"packages into {tmp_path / 'engines' / name}" in line
        assert "MB" in line or "size not measured" in line
        assert "s where that was measured" in line or "time not measured" in line
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_belongs_to_a_known_engine(tmp_path: Path) -> None:
    assert find_engine("parakeet", tmp_path).measured().mb > 0
    assert find_engine("parakeet", tmp_path).packages >= 2


def test_an_engine_without_an_environment_of_its_own_names_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is 'pocketsphinx'; there are environments for: .*parakeet"):
        find_engine("pocketsphinx", tmp_path)


def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_SPARE_MB", 1 << 40)
    with pytest.raises(HerOsError, match=r"MB are free at .*parakeet; make room"):
        install_engine(find_engine("parakeet", tmp_path), lambda _: None, dry_run=False)


def test_the_installed_copy_carries_what_builds_an_environment(tmp_path: Path) -> None:
    target = tmp_path / "her_os"
    _copy_ourselves(target)
    script = target / "data" / "scripts" / "engine_environment.sh"
    assert (script.parent / "engine_locks" / "parakeet.lock").is_file()
    told = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert "which engine? One of: " in told.stderr
    assert "parakeet" in told.stderr
