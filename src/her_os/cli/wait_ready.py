"""`her-os wait-ready NAME`: return when a daemon is ready. For a unit whose program cannot notify systemd."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.contracts.errors import HerOsError
from her_os.daemons.family import Endpoint, http_endpoints
from her_os.daemons.service_probes import Probe, health_probe
from her_os.service.notify import sd_notify
from her_os.settings import load_settings

_ASK_S = 1.0
EXIT_UNAVAILABLE = 69  # not 1, which the unit of llama-server takes for a clean end


def wait_ready(
    name: Annotated[str, typer.Argument(metavar="NAME", help="llm, stt, tts or phone.")],
    pid: Annotated[int | None, typer.Option(help="Give up when this process has ended.")] = None,
    config: ConfigFile = None,
) -> None:
    """Wait until a daemon is ready as its `readiness` says; one that notifies is asked for its /health.

    Fails when its process ends first.
    """
    settings = load_settings(config)
    endpoint = next((e for e in http_endpoints(settings) if e.daemon == name), None)
    if endpoint is None:
        raise HerOsError(f"there is no daemon {name!r}")
    probe = health_probe(getattr(settings.services, name).readiness, endpoint, _ASK_S)
    asyncio.run(_wait(endpoint, probe, pid, settings.loader.readiness_poll_ms / 1000))


async def _wait(endpoint: Endpoint, probe: Probe, pid: int | None, poll_s: float) -> None:
    while not await probe():
        if pid is not None and not _runs(pid):
            typer.echo(f"{endpoint.daemon} ended before it was ready", err=True)
            raise typer.Exit(EXIT_UNAVAILABLE)
        await asyncio.sleep(poll_s)
    sd_notify(STATUS=f"ready on {endpoint.host}:{endpoint.port}")


def _runs(pid: int) -> bool:
    """Asks the kernel, not /proc, where a hardened unit does not see other processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
