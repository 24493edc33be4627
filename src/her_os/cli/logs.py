"""`her-os logs NAME`: the last lines of one daemon, from the loader that spawned it or from the journal.

`her-os logs --call ID`: all that every daemon has logged about one call, in the order of time, from the journal.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from her_os.cli.operator import loader_client, operator_settings
from her_os.cli.options import ConfigFile
from her_os.contracts.errors import ConfigError, HerOsError
from her_os.service.call_context import session_fields
from her_os.service.journal import SOCKET
from her_os.service.systemd_units import unit_of


def logs(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="kwd (the wake word), llm, stt, stt_batch, tts or phone; all of them with --call."
        ),
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many.")] = 100,
    call: Annotated[str, typer.Option(metavar="ID", help="A call's story across daemons; ID.TURN for a turn's.")] = "",
    config: ConfigFile = None,
) -> None:
    """Show the last lines that a daemon has logged. Under systemd they are those of `journalctl -u her-os-NAME`."""
    if call:
        _tell_story(call, name)
    if not name:
        raise ConfigError("a daemon must be named, or a call with --call ID", field="NAME")
    loader = loader_client(operator_settings(config))
    if asyncio.run(loader.status()).mode == "systemd":
        _become("journalctl", f"--unit={unit_of(name)}", f"--lines={lines}")
    for line in asyncio.run(loader.logs(name, lines)):
        typer.echo(line)


def _tell_story(call: str, name: str) -> None:
    """Become journalctl. Raises HerOsError where no journal is kept."""
    if not Path(SOCKET).is_socket():
        raise HerOsError("a call's story is kept by journald, which does not run here; try `her-os calls show ID`")
    unit = [f"_SYSTEMD_UNIT={unit_of(name)}"] if name else []
    _become("journalctl", "--output=short-precise", *(f"{k}={v}" for k, v in session_fields(call).items()), *unit)


def _become(*command: str) -> None:
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
