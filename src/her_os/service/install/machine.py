"""Installing and uninstalling her-os on a machine with systemd. Running either twice changes nothing more."""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Iterator
from pathlib import Path

from her_os.contracts.errors import HerOsError
from her_os.service.install.environment import make_environment
from her_os.service.install.layout import Layout, shipped_units
from her_os.service.install.steps import Steps
from her_os.settings import Secrets
from her_os.settings.load import embedded_config_dir, read_settings

_CONFIG = ("her-os.yaml", "domain-phrases.txt", "contacts.yaml")


def install(steps: Steps, layout: Layout) -> None:
    """Program, configuration, secrets, user, units. Nothing is started. Raises HerOsError."""
    _need_root(steps)
    shipped = shipped_units()
    steps.do(f"make {layout.venv} and copy her-os and what it requires into it", lambda: make_environment(layout.venv))
    steps.copy(shipped / "restart-delay", layout.program / "lib" / "restart-delay", 0o755)
    if not layout.command.is_symlink():
        steps.do(f"link {layout.command}", lambda: _link(layout.command, layout.venv / "bin" / "her-os"))
    for name in _CONFIG:
        if not (layout.config / name).exists():
            steps.copy(embedded_config_dir() / name, layout.config / name)
    missing = _missing_secrets(layout.secrets)
    if missing:
        steps.do(f"write {len(missing)} random tokens to {layout.secrets}", lambda: _add(layout.secrets, missing))
    left_out = _left_out(layout)
    for source, target in _files(shipped, layout):
        if target in left_out:
            steps.remove(target)
        else:
            steps.copy(source, target)
    steps.run("systemd-sysusers", layout.sysusers)
    steps.run("systemd-tmpfiles", "--create", layout.tmpfiles)
    steps.run("systemctl", "daemon-reload")
    steps.run("systemctl", "enable", "her-os.target")


def uninstall(steps: Steps, layout: Layout, *, purge: bool) -> None:
    """Stop and remove it. Configuration, secrets, state and user stay unless `purge`. Raises HerOsError."""
    _need_root(steps)
    shipped = shipped_units()
    if (layout.units / "her-os.target").exists():
        steps.run("systemctl", "disable", "her-os.target")
        steps.run("systemctl", "stop", "her-os.target", "her-os.slice")
    for _, target in _files(shipped, layout):
        steps.remove(target)
    steps.remove(layout.units / "her-os-.service.d")
    steps.run("systemctl", "daemon-reload")
    steps.remove(layout.command)
    steps.remove(layout.program)
    if purge:
        for path in (layout.config, *layout.state):
            steps.remove(path)


def _need_root(steps: Steps) -> None:
    if os.geteuid() != 0 and not steps.dry_run:
        raise HerOsError("this changes the system: run it as root, or with --dry-run to see what it would do")


def _files(shipped: Path, layout: Layout) -> Iterator[tuple[Path, Path]]:
    """Every shipped file and its place."""
    for pattern in ("her-os*.*", "her-os-*.service.d/*.conf"):
        for source in sorted(shipped.glob(pattern)):
            if source.is_file():
                yield source, layout.units / source.relative_to(shipped)
    yield shipped / "user/her-os-wake.service", layout.user_units / "her-os-wake.service"
    yield shipped / "sysusers.d/her-os.conf", layout.sysusers
    yield shipped / "tmpfiles.d/her-os.conf", layout.tmpfiles
    yield shipped / "polkit/50-her-os.rules", layout.polkit


def _left_out(layout: Layout) -> set[Path]:
    """With `wake.unit: user` the microphone belongs to a person's own unit, and the system's would take its port."""
    config = layout.config / "her-os.yaml"
    wants_user = config.is_file() and read_settings(config, {}).wake.unit == "user"
    return {layout.units / "her-os-wake.service"} if wants_user else set()


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def _missing_secrets(file: Path) -> list[str]:
    names = [f"HER_OS_{field.upper()}" for field in Secrets.__struct_fields__]
    text = file.read_text() if file.exists() else ""
    there = {line.partition("=")[0].strip() for line in text.splitlines()}
    return [name for name in names if name not in there]


def _add(file: Path, names: list[str]) -> None:
    """Append random tokens; the file is root's alone from its first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(number, "w") as out:
        out.writelines(f"{name}={random.token_hex(24)}\n" for name in names)
    file.chmod(0o600)
