"""Gate 0.4: every port is free, or held by a her-os that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from her_os.daemons.family import Endpoint, all_endpoints
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.service.port_owner import PortOwner, find_port_owner, port_is_free
from her_os.service.process_table import spawned_by

NUMBER, NAME, MEASURES = 4, "ports", False


async def check(machine: Machine) -> Finding:
    """Raises GateClosed that names every port that a stranger has."""
    endpoints = [endpoint for endpoint in all_endpoints(machine.settings) if endpoint.port]
    held = await asyncio.to_thread(_held, endpoints)
    strangers = {endpoint: owner for endpoint, owner in held.items() if not _is_ours(owner)}
    if strangers:
        told = [f"{e.port}/{e.transport} ({e.setting}) by {_named(owner)}" for e, owner in strangers.items()]
        remedy = "stop what holds them, or change the ports in the configuration"
        if any(owner.pid is None for owner in strangers.values()):
            remedy += "; as root this tells whose they are"
        raise GateClosed(f"taken: {'; '.join(told)}", remedy)
    ours = [endpoint.daemon for endpoint in held]
    return Finding(
        f"{len(endpoints) - len(ours)} free" + (f", held by our own {', '.join(ours)}" if ours else ""),
        {"free": len(endpoints) - len(ours), "ours": ours},
    )


def _held(endpoints: list[Endpoint]) -> dict[Endpoint, PortOwner]:
    return {
        endpoint: find_port_owner(endpoint.port, endpoint.transport)
        for endpoint in endpoints
        if not port_is_free(endpoint.host, endpoint.port, endpoint.transport)
    }


def _is_ours(owner: PortOwner) -> bool:
    """A child of a loader carries its mark; one of systemd is in a unit of ours; a single process runs our module."""
    if owner.pid is None:
        return False
    try:
        cgroup = Path(f"/proc/{owner.pid}/cgroup").read_text()
        words = psutil.Process(owner.pid).cmdline()
    except (OSError, psutil.Error):
        return False
    return bool(spawned_by(owner.pid)) or "her-os" in cgroup or "her_os.cli" in words


def _named(owner: PortOwner) -> str:
    return f"pid {owner.pid}: {owner.command}" if owner.pid else owner.command
