"""What port hygiene sees and does on this machine: `loader.port_hygiene.Machine`."""

from __future__ import annotations

from pathlib import Path

import psutil

from her_os.daemons.family import Endpoint
from her_os.loader.port_hygiene import Holder, HygieneRules, PortHygiene, WantedPort
from her_os.service.port_owner import command_of, find_port_owner, port_is_free
from her_os.service.process_table import end_process, mark_lives, socket_is_stale, spawned_by
from her_os.settings import Settings


class ThisMachine:
    """Every method may block."""

    def is_free(self, wanted: WantedPort) -> bool:
        return port_is_free(wanted.host, wanted.port, wanted.transport)

    def holder(self, wanted: WantedPort) -> Holder:
        owner = find_port_owner(wanted.port, wanted.transport)
        return Holder(None, owner.command) if owner.pid is None else self._holder(owner.pid)

    def process(self, pid: int) -> Holder | None:
        return self._holder(pid) if psutil.pid_exists(pid) else None

    def socket_is_stale(self, path: Path) -> bool | None:
        return socket_is_stale(path)

    def end(self, pid: int, grace_s: float) -> str:
        return end_process(pid, grace_s)

    def _holder(self, pid: int) -> Holder:
        mark = spawned_by(pid)
        return Holder(pid, command_of(pid), ours=bool(mark), supervised=bool(mark) and mark_lives(mark))


def port_hygiene(settings: Settings, endpoints: list[Endpoint]) -> PortHygiene:
    """Hygiene as `loader.port_hygiene` says."""
    hygiene = settings.loader.port_hygiene
    rules = HygieneRules(
        enabled=hygiene.enabled,
        kill_orphans=hygiene.kill_orphans,
        grace_s=settings.loader.graceful_shutdown.per_service_grace_sec,
        unix_sockets=tuple(settings.resolve(Path(path)) for path in hygiene.unix_sockets),
        pid_files=tuple(settings.resolve(Path(path)) for path in hygiene.pid_files),
    )
    ports = [WantedPort(e.daemon, e.host, e.port, e.transport, e.setting) for e in endpoints]
    return PortHygiene(rules, ThisMachine(), ports)
