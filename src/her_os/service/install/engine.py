"""An environment of its own for one engine, from a lock with hashes; what it takes is said before.

`scripts/engine_environment.sh` does the work, in a checkout and where her-os is installed alike; each file of
`scripts/engine_locks` is an engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from her_os.contracts.errors import ConfigError, HerOsError
from her_os.service.install.layout import package_dir
from her_os.settings.section import Section
from her_os.settings.yaml_file import read_yaml

_FIELDS = {
    "faster-whisper": "stt.python, stt_batch.python, transcripts.python",
    "parakeet": "stt.python, stt_batch.python, transcripts.python",
    "diarisation": "transcripts.python",
    "chatterbox": "tts.python",
}
_SPARE_MB = 500


class Measured(Section, frozen=True):
    """What an environment took; 0: not measured."""

    mb: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class EngineEnvironment:
    """One engine's environment: what will be installed where."""

    name: str
    lock: Path
    folder: Path

    @property
    def packages(self) -> int:
        """How many the lock names."""
        return sum("==" in line and not line.startswith("#") for line in self.lock.read_text().splitlines())

    @property
    def python(self) -> Path:
        """Its interpreter, for the configuration."""
        return self.folder / "bin" / "python"

    def measured(self) -> Measured:
        """What it took where it was measured."""
        file = self.lock.parent / "measured.yaml"
        return read_yaml(file, dict[str, Measured]).get(self.name, Measured()) if file.is_file() else Measured()


def shipped_scripts() -> Path:
    """The folder of scripts: in the package, or in the checkout it runs from."""
    packaged = package_dir() / "data" / "scripts"
    return packaged if packaged.is_dir() else package_dir().parents[1] / "scripts"


def find_engine(name: str, cache_dir: Path) -> EngineEnvironment:
    """The environment for `name`. Raises ConfigError that names the known ones."""
    locks = shipped_scripts() / "engine_locks"
    known = sorted(path.stem for path in locks.glob("*.lock"))
    if name not in known:
        raise ConfigError(f"is {name!r}; there are environments for: {', '.join(known)}", field="--engine")
    return EngineEnvironment(name, locks / f"{name}.lock", cache_dir.expanduser() / "engines" / name)


def install_engine(engine: EngineEnvironment, say: Callable[[str], None], *, dry_run: bool) -> None:
    """Build it, or bring it up to date. Raises HerOsError: no room, or what the installer printed."""
    measured = engine.measured()
    size = f"{measured.mb} MB" if measured.mb else "size not measured"
    time = f"{measured.seconds} s where that was measured" if measured.seconds else "time not measured: minutes"
    say(f"{engine.name}: {engine.packages} packages into {engine.folder}; {size} (more with CUDA), {time}")
    free_mb = shutil.disk_usage(_existing(engine.folder)).free >> 20
    if measured.mb + _SPARE_MB > free_mb:
        raise HerOsError(f"{free_mb} MB are free at {engine.folder}; make room, or set HER_OS_CACHE_DIR")
    if dry_run:
        return
    script = shipped_scripts() / "engine_environment.sh"
    environment = {**os.environ, "HER_OS_BASE_PYTHON": sys.executable}
    try:
        done = subprocess.run(  # noqa: S603 - our own script
            ["bash", str(script), engine.name, str(engine.folder)],  # noqa: S607
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except OSError as error:
        raise HerOsError(f"{script} cannot be run ({error.strerror})") from error
    if done.returncode:
        raise HerOsError(
            f"the environment for {engine.name} could not be built (see above); is the package index reachable "
            "(pip config list)? Try again, it begins anew"
        )
    say(f"now write {engine.python} into the configuration where it is used: {_FIELDS.get(engine.name, 'python')}")


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
