"""`her-os status`: what the loader knows of the whole; where no loader runs, what each daemon's /health says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from her_os.cli.operator import loader_client, operator_settings
from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.status_table import probed_table, system_table
from her_os.contracts.errors import HerOsError
from her_os.contracts.loader_status import SystemStatus
from her_os.contracts.service_state import LoaderState
from her_os.daemons.family import Endpoint, http_endpoints
from her_os.service.health_probe import Health, ask_health
from her_os.settings import Settings

_GOOD = {LoaderState.RUNNING_ALL, LoaderState.SYSTEM_READY}
Probed = list[tuple[Endpoint, Health]]


def status(
    config: ConfigFile = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="With --watch: how often.")] = 1.0,
) -> None:
    """Show the state of the whole and of each daemon, with times and memory. Exit status 0 when all are ready."""
    settings = operator_settings(config)
    if watch and not as_json:
        _watch(lambda: asyncio.run(_ask(settings)), interval)
    answer = asyncio.run(_ask(settings))
    if as_json:
        typer.echo(_json(answer))
    else:
        from rich.console import Console

        Console().print(_table(answer))
    raise typer.Exit(0 if _all_ready(answer) else 1)


async def _ask(settings: Settings) -> SystemStatus | Probed:
    """The loader's answer, else that of each daemon."""
    try:
        return await loader_client(settings).status()
    except HerOsError:  # no secrets, so nothing of ours runs; no loader; or somebody else's
        pass
    endpoints = http_endpoints(settings)
    answers = await asyncio.gather(*(ask_health(e.host, e.port) for e in endpoints))
    return list(zip(endpoints, answers, strict=True))


def _watch(ask: Callable[[], SystemStatus | Probed], interval_s: float) -> None:
    """A live table until Ctrl-C."""
    from rich.live import Live

    with Live(_table(ask()), auto_refresh=False, transient=True) as live:
        while True:
            live.update(_table(ask()), refresh=True)
            time.sleep(interval_s)


def _table(answer: SystemStatus | Probed):
    return system_table(answer) if isinstance(answer, SystemStatus) else probed_table(answer)


def _all_ready(answer: SystemStatus | Probed) -> bool:
    if isinstance(answer, SystemStatus):
        return answer.state in _GOOD
    return all(health.ready for _, health in answer)


def _json(answer: SystemStatus | Probed) -> str:
    """One shape for both: without a loader there are fewer facts."""
    if isinstance(answer, SystemStatus):
        body = msgspec.json.encode(answer)
    else:
        services = [
            {"name": e.daemon, "host": e.host, "port": e.port, "state": health.state, "detail": health.detail}
            for e, health in answer
        ]
        body = msgspec.json.encode({"state": "no loader", "services": services})
    return msgspec.json.format(body, indent=2).decode()
