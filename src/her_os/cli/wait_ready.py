"""`her-os wait-ready NAME`: return when a daemon is ready. For a unit whose program cannot notify systemd."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.contracts.errors import HerOsError
from her_os.daemons.family import http_endpoints
from her_os.service.health_probe import ask_health
from her_os.service.notify import sd_notify
from her_os.settings import load_settings

_POLL_S = 0.1
EXIT_UNAVAILABLE = 69  # not 1, which the unit of llama-server takes for a clean end


def wait_ready(
    name: Annotated[str, typer.Argument(metavar="NAME", help="llm, stt, tts or phone.")],
    pid: Annotated[int | None, typer.Option(help="Give up when this process has ended.")] = None,
    config: ConfigFile = None,
) -> None:
    """Wait until a daemon's /health says that it is ready; fails when its process ends first."""
    endpoint = next((e for e in http_endpoints(load_settings(config)) if e.daemon == name), None)
    if endpoint is None:
        raise HerOsError(f"there is no daemon {name!r}")
    asyncio.run(_wait(name, endpoint.host, endpoint.port, pid))


async def _wait(name: str, host: str, port: int, pid: int | None) -> None:
    while not (health := await ask_health(host, port)).ready:
        if pid is not None and not _runs(pid):
            typer.echo(f"{name} ended before it was ready", err=True)
            raise typer.Exit(EXIT_UNAVAILABLE)
        await asyncio.sleep(_POLL_S)
    sd_notify(STATUS=f"ready on {host}:{port} ({health.detail})")


def _runs(pid: int) -> bool:
    """Asks the kernel, not /proc, where a hardened unit does not see other processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
