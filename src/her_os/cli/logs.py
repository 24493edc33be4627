"""`her-os logs NAME`: the last lines of one daemon, from the loader that spawned it or from the journal."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from her_os.cli.operator import loader_client, operator_settings
from her_os.cli.options import ConfigFile
from her_os.service.systemd_units import unit_of


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME", help="kwd (the wake word), llm, stt, tts or phone.")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many.")] = 100,
    config: ConfigFile = None,
) -> None:
    """Show the last lines that a daemon has logged. Under systemd they are those of `journalctl -u her-os-NAME`."""
    loader = loader_client(operator_settings(config))
    if asyncio.run(loader.status()).mode == "systemd":
        unit = unit_of(name)
        os.execvp("journalctl", ["journalctl", f"--unit={unit}", f"--lines={lines}"])  # noqa: S606, S607 - no shell
    for line in asyncio.run(loader.logs(name, lines)):
        typer.echo(line)
