"""`her-os status`: ask every daemon's /health."""

from __future__ import annotations

import asyncio
import json

import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.daemons.family import Endpoint, http_endpoints
from her_os.service.health_probe import Health, ask_health
from her_os.settings import load_settings


def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show whether each daemon is ready. Exit status 0 when all are."""
    endpoints = http_endpoints(load_settings(config))
    answers = asyncio.run(_ask_all(endpoints))
    if as_json:
        typer.echo(json.dumps([_row(e, h) for e, h in zip(endpoints, answers, strict=True)], indent=2))
    else:
        _print_table(endpoints, answers)
    raise typer.Exit(0 if all(health.ready for health in answers) else 1)


async def _ask_all(endpoints: list[Endpoint]) -> list[Health]:
    return list(await asyncio.gather(*(ask_health(e.host, e.port) for e in endpoints)))


def _state(health: Health) -> str:
    return "ready" if health.ready else "not ready" if health.reachable else "down"


def _row(endpoint: Endpoint, health: Health) -> dict[str, object]:
    return {
        "daemon": endpoint.daemon,
        "host": endpoint.host,
        "port": endpoint.port,
        "state": _state(health),
        "detail": health.detail,
    }


def _print_table(endpoints: list[Endpoint], answers: list[Health]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("daemon", "address", "state", "detail", box=None, pad_edge=False)
    colours = {"ready": "green", "not ready": "yellow", "down": "red"}
    for endpoint, health in zip(endpoints, answers, strict=True):
        state = _state(health)
        table.add_row(
            endpoint.daemon, f"{endpoint.host}:{endpoint.port}", f"[{colours[state]}]{state}[/]", health.detail
        )
    Console().print(table)
