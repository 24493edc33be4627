"""The table of `her-os status`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from her_os.contracts.loader_status import ServiceStatus, SystemStatus
from her_os.contracts.service_state import LoaderState, ServiceState
from her_os.daemons.family import Endpoint
from her_os.service.health_probe import Health

_COLOURS = {
    ServiceState.READY: "green",
    ServiceState.FAILED: "red",
    ServiceState.STOPPED: "red",
    "ready": "green",
    "down": "red",
}


def system_table(status: SystemStatus) -> Group:
    """What a loader says: the whole in a line, a row for each service, memory and the boot below."""
    colour = {LoaderState.SYSTEM_READY: "green", LoaderState.DEGRADED: "red"}.get(status.state, "yellow")
    starting = f" ({status.starting})" if status.starting else ""
    table = Table("service", "state", "pid", "port", "ready after", "warm-up", "VRAM", "restarts", "last failure")
    table.box, table.pad_edge = None, False
    for service in status.services:
        table.add_row(*_row(service))
    below = [line for line in (_boot(status), _vram(status)) if line]
    return Group(Text(f"{status.state}{starting}, {status.mode}", style=colour), table, *below)


def probed_table(answers: Sequence[tuple[Endpoint, Health]]) -> Group:
    """What each daemon says by itself, where no loader answers."""
    table = Table("daemon", "address", "state", "detail", box=None, pad_edge=False)
    for endpoint, health in answers:
        state = Text(health.state, style=_COLOURS.get(health.state, "yellow"))
        table.add_row(endpoint.daemon, f"{endpoint.host}:{endpoint.port}", state, health.detail)
    return Group(Text("no loader answers; this is what the daemons say", style="yellow"), table)


def _row(service: ServiceStatus) -> list[str | Text]:
    times = service.times
    return [
        service.name,
        Text(service.state, style=_COLOURS.get(service.state, "yellow")),
        str(service.pid or "-"),
        str(service.port or "-"),
        _seconds(times.time_to_ready_ms),
        _seconds(times.warmup_ms),
        "-" if service.vram_mb is None else f"{service.vram_mb:.0f} MB",
        str(service.restarts),
        service.last_failure,
    ]


def _boot(status: SystemStatus) -> str:
    boot = status.boot
    if boot.total_boot_ms is None:
        return ""
    usual = "" if boot.total_boot_p95_ms is None else f" (p95 of the last boots {_seconds(boot.total_boot_p95_ms)})"
    return f"boot: {_seconds(boot.total_boot_ms)}{usual}"


def _vram(status: SystemStatus) -> str:
    gpu = status.vram[-1].gpu if status.vram else None
    return "" if gpu is None else f"VRAM: {gpu.used_mb:.0f} of {gpu.total_mb:.0f} MB used ({gpu.source})"


def _seconds(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 1000:.1f} s"
