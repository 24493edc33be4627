"""`her-os install` and `her-os uninstall`: her-os as a set of systemd units."""

from __future__ import annotations

from typing import Annotated

import typer

from her_os.service.install.layout import Layout
from her_os.service.install.machine import install as install_on
from her_os.service.install.machine import uninstall as uninstall_from
from her_os.service.install.steps import Steps

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def install(dry_run: DryRun = False) -> None:
    """Install or upgrade: /opt/her-os, /etc/her-os (kept), units. Needs root; starts nothing."""
    install_on(Steps(typer.echo, dry_run=dry_run), Layout())
    typer.echo("nothing was changed" if dry_run else "installed; now: systemctl restart her-os.target")


def uninstall(
    dry_run: DryRun = False,
    purge: Annotated[bool, typer.Option("--purge", help="Remove configuration, secrets and state, too.")] = False,
) -> None:
    """Stop her-os and remove it; configuration and state stay unless --purge."""
    uninstall_from(Steps(typer.echo, dry_run=dry_run), Layout(), purge=purge)
    typer.echo("nothing was changed" if dry_run else "uninstalled")
