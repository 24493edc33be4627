"""`her-os restart NAME`: have the loader restart one daemon."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from her_os.cli.operator import loader_client, operator_settings
from her_os.cli.options import ConfigFile
from her_os.contracts.service_state import ServiceState


def restart(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="kwd (the wake word), llm, stt, stt_batch, tts or phone.")
    ],
    config: ConfigFile = None,
) -> None:
    """Restart one daemon and wait until it is ready. Exit status 1 when it does not come back."""
    status = asyncio.run(loader_client(operator_settings(config)).restart(name))
    if status.state is ServiceState.READY:
        typer.echo(f"{name} is ready (pid {status.pid})")
    else:
        typer.echo(f"{name} is {status.state}: {status.last_failure or 'see her-os logs ' + name}", err=True)
        raise typer.Exit(1)
