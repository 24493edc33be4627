"""A virtual environment made from the system's Python, filled with what the running one holds. Needs no network.

Only what her-os itself requires is copied, in the very versions it was running with.
"""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from her_os.contracts.errors import HerOsError
from her_os.service.install.engine import shipped_scripts
from her_os.service.install.layout import package_dir, shipped_units
from her_os.service.install.steps import run_program
from her_os.settings.load import embedded_config_dir

_PRIVATE = ("/root", "/home")
_CARRIERS = ("openwakeword",)
"""Copied for the files they carry, without what they require."""


def system_python() -> Path:
    """A Python of this version that a system user may execute. Raises HerOsError where there is none."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.base_prefix) / "bin" / name, Path("/usr/bin") / name, Path("/usr/local/bin") / name):
        if candidate.is_file() and not str(candidate.resolve()).startswith(_PRIVATE):
            return candidate
    raise HerOsError(f"there is no {name} outside {' and '.join(_PRIVATE)}; install it (apt-get install {name})")


def make_environment(venv: Path) -> None:
    """Make `venv` anew, beside the old one, and put it in its place at once. Raises HerOsError."""
    needed = _needed("her-os") and [*_needed("her-os"), *_carriers()]
    fresh, old = venv.with_name("venv.new"), venv.with_name("venv.old")
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    run_program([str(system_python()), "-m", "venv", "--without-pip", str(fresh)])
    packages = fresh / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for distribution in needed:
        _copy_distribution(distribution, packages)
    _copy_ourselves(packages / "her_os")
    # A hardened unit cannot write bytecode, so it would compile everything at each start.
    run_program(
        [str(fresh / "bin" / "python"), "-m", "compileall", "-q", "-s", str(fresh), "-p", str(venv), str(packages)]
    )
    _write_command(fresh / "bin" / "her-os", venv / "bin" / "python")
    if venv.exists():
        venv.rename(old)
    fresh.rename(venv)
    shutil.rmtree(old, ignore_errors=True)


def _write_command(script: Path, python: Path) -> None:
    script.write_text(f"#!{python}\nfrom her_os.cli import main\n\nmain()\n")
    script.chmod(0o755)


def _needed(root: str) -> list[metadata.Distribution]:
    """What `root` requires, directly or not, without itself."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [root]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # required on other systems only
        required = [r for r in found[name].requires or [] if "extra ==" not in r]
        waiting += [match[0] for r in required if (match := re.match(r"[\w.-]+", r))]
    found.pop(root, None)
    return list(found.values())


def _carriers() -> list[metadata.Distribution]:
    return [each for each in metadata.distributions() if each.metadata["Name"] in _CARRIERS]


def _copy_distribution(distribution: metadata.Distribution, packages: Path) -> None:
    home = Path(sysconfig.get_paths()["purelib"]).resolve()
    for entry in distribution.files or []:
        source = Path(str(distribution.locate_file(entry))).resolve()
        if not source.is_file() or not source.is_relative_to(home) or source.suffix == ".pyc":
            continue  # scripts of other programs, caches
        target = packages / source.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _copy_ourselves(target: Path) -> None:
    shutil.copytree(package_dir(), target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    data = target / "data"
    for name in ("her-os.yaml", "domain-phrases.txt", "contacts.yaml"):
        shutil.copyfile(embedded_config_dir() / name, data / name)
    shutil.copytree(shipped_units(), data / "systemd", dirs_exist_ok=True)
    (data / "scripts").mkdir(exist_ok=True)
    shutil.copy2(shipped_scripts() / "engine_environment.sh", data / "scripts")
    shutil.copytree(shipped_scripts() / "engine_locks", data / "scripts" / "engine_locks", dirs_exist_ok=True)
    run_program(["chmod", "-R", "a+rX", str(target)])
