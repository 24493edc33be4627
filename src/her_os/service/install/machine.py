"""Installing and uninstalling her-os on a machine with systemd. Running either twice changes nothing more."""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Iterator
from pathlib import Path

from her_os.contracts.errors import HerOsError
from her_os.service.install import drop_ins as compiled
from her_os.service.install import graphics_card
from her_os.service.install.environment import make_environment
from her_os.service.install.layout import Layout, is_installed, shipped_units
from her_os.service.install.steps import Steps
from her_os.settings import Settings, load_settings
from her_os.settings.load import embedded_config_dir, read_settings
from her_os.settings.secrets import token_names, why_no_secret

_CONFIG = ("her-os.yaml", "domain-phrases.txt", "contacts.yaml")


def install(steps: Steps, layout: Layout) -> None:
    """Program, configuration, secrets, user, units. Nothing is started.

    The installed copy itself only brings the units in line with the configuration. Raises HerOsError; ConfigError for
    a wrong configuration, before anything is changed.
    """
    _need_root(steps)
    drop_ins = _drop_ins(layout)
    shipped = shipped_units()
    if is_installed():
        steps.say(f"{layout.venv} stays as it is; scripts/install.sh of a checkout upgrades it")
    else:
        steps.do(f"make {layout.venv}: her-os and what it requires", lambda: make_environment(layout.venv))
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
    for target, text in drop_ins.items():
        steps.write(text, target)
    for left in _written(layout) - set(drop_ins):
        steps.remove(left)
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
    for folder in sorted(layout.units.glob("her-os-*.d")):
        steps.remove(folder)
    steps.run("systemctl", "daemon-reload")
    steps.remove(layout.command)
    steps.remove(layout.program)
    if purge:
        for path in (layout.config, *layout.state):
            steps.remove(path)


def stale_drop_ins(settings: Settings, layout: Layout) -> list[Path]:
    """Drop-ins that do not say what `settings` say."""
    wanted = {layout.units / path: text for path, text in compiled.drop_ins(settings).items() if _has_unit(path)}
    there = {path for path in _written(layout) if path.name == compiled.NAME}
    return [path for path in sorted(there | set(wanted)) if path not in there or path.read_text() != wanted.get(path)]


def _drop_ins(layout: Layout) -> dict[Path, str]:
    """What the configuration of this machine, or the one that will be written, and its graphics card ask for."""
    file = layout.config / "her-os.yaml"
    settings = load_settings(file if file.exists() else embedded_config_dir() / "her-os.yaml", {})
    texts = compiled.drop_ins(settings) | graphics_card.card_drop_ins(graphics_card.find_card())
    return {layout.units / path: text for path, text in texts.items() if _has_unit(path)}


def _has_unit(path: str) -> bool:
    return (shipped_units() / path.partition("/")[0].removesuffix(".d")).is_file()


def _written(layout: Layout) -> set[Path]:
    """Drop-ins of ours that are there."""
    names = (compiled.NAME, graphics_card.NAME)
    return {path for name in names for path in layout.units.glob(f"her-os-*.service.d/{name}")}


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
    """Tokens that are not there, empty, or examples; of a name that is given twice the last line counts."""
    lines = file.read_text().splitlines() if file.exists() else []
    there = {name.strip(): value.strip().strip("'\"") for name, _, value in (line.partition("=") for line in lines)}
    return [name for name in token_names() if why_no_secret(there.get(name, ""))]


def _add(file: Path, names: list[str]) -> None:
    """Append random tokens; the file is root's alone from its first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(number, "w") as out:
        out.writelines(f"{name}={random.token_hex(24)}\n" for name in names)
    file.chmod(0o600)
