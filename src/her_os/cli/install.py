"""`her-os install` and `her-os uninstall`: her-os as a set of systemd units."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from her_os.service.install.engine import find_engine, install_engine
from her_os.service.install.layout import Layout, is_installed
from her_os.service.install.machine import install as install_on
from her_os.service.install.machine import uninstall as uninstall_from
from her_os.service.install.steps import Steps
from her_os.settings.schema import Environment

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def install(
    dry_run: DryRun = False,
    engine: Annotated[
        str,
        typer.Option(metavar="NAME", help="Build the environment of this engine instead: faster-whisper, parakeet ..."),
    ] = "",
) -> None:
    """Install or upgrade: /opt/her-os, /etc/her-os (kept), units. Needs root; starts nothing.

    With --engine only that engine's own environment is built or brought up to date, from a lock with hashes; its size
    and time are said before. It needs a package index, and root only where her-os is installed.
    """
    if engine:
        install_engine(find_engine(engine, _cache_dir()), typer.echo, dry_run=dry_run)
        return
    install_on(Steps(typer.echo, dry_run=dry_run), Layout())
    typer.echo("nothing was changed" if dry_run else "installed; now: systemctl restart her-os.target")


def _cache_dir() -> Path:
    """Where the daemons look: of the installation, or of whoever runs this."""
    if is_installed() and "HER_OS_CACHE_DIR" not in os.environ:
        return Layout().state[1]
    return Path(os.environ.get("HER_OS_CACHE_DIR", str(Environment().cache_dir)))


def uninstall(
    dry_run: DryRun = False,
    purge: Annotated[bool, typer.Option("--purge", help="Remove configuration, secrets and state, too.")] = False,
) -> None:
    """Stop her-os and remove it; configuration and state stay unless --purge."""
    uninstall_from(Steps(typer.echo, dry_run=dry_run), Layout(), purge=purge)
    typer.echo("nothing was changed" if dry_run else "uninstalled")
