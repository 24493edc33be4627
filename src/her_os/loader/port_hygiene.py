"""Is anything in the way of a start, and may it be ended?

An orphan is a daemon of ours whose supervisor is gone. It is provably ours when it carries the mark that we give
every process we spawn, or a pid file of ours names it. A daemon whose supervisor lives belongs to another running
her-os, and is nobody's orphan. Everything that is done or refused is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from her_os.contracts.errors import HerOsError

log = logging.getLogger(__name__)
KillOrphans = bool | Literal["any"]


class PortTaken(HerOsError):
    """A port that a service needs belongs to another process, which must not be ended."""

    code = "port_taken"


@dataclass(frozen=True)
class WantedPort:
    """A port that one service will bind. `setting` is the name an operator changes."""

    service: str
    host: str
    port: int
    transport: Literal["tcp", "udp"]
    setting: str

    def __str__(self) -> str:
        return f"port {self.port}/{self.transport} ({self.setting}, for {self.service})"


@dataclass(frozen=True)
class Holder:
    """A process that is in the way."""

    pid: int | None
    """None where the system does not tell us: another user's process."""
    command: str
    ours: bool = False
    """Provably spawned by a her-os."""
    supervised: bool = False
    """Its supervisor lives."""

    def __str__(self) -> str:
        return f"pid {self.pid}: {self.command}" if self.pid else self.command


class Machine(Protocol):
    """What hygiene sees and does. Every method may block and is called in a thread."""

    def is_free(self, wanted: WantedPort) -> bool: ...

    def holder(self, wanted: WantedPort) -> Holder: ...

    def process(self, pid: int) -> Holder | None:
        """The process of that number, or None where there is none."""
        ...

    def socket_is_stale(self, path: Path) -> bool | None:
        """Whether nobody listens on a socket file; None where it is no socket or not there."""
        ...

    def end(self, pid: int, grace_s: float) -> str:
        """TERM, wait, KILL, wait. Returns which of them ended it, or an empty text where it still runs."""
        ...


@dataclass(frozen=True)
class HygieneRules:
    """What may be done."""

    enabled: bool
    kill_orphans: KillOrphans
    grace_s: float
    unix_sockets: tuple[Path, ...] = ()
    pid_files: tuple[Path, ...] = ()


class PortHygiene:
    """Cleans up before a start, and looks again after the stop."""

    def __init__(self, rules: HygieneRules, machine: Machine, ports: Iterable[WantedPort]) -> None:
        self._rules, self._machine = rules, machine
        self._ports = [port for port in ports if port.port]

    async def before_start(self) -> None:
        """Free what is ours to free. Raises PortTaken, naming every holder that is not, before anything is ended."""
        if not self._rules.enabled:
            return
        for file in self._rules.pid_files:
            await self._clean_pid_file(file)
        taken = [wanted for wanted in self._ports if not await asyncio.to_thread(self._machine.is_free, wanted)]
        holders = [(wanted, await asyncio.to_thread(self._machine.holder, wanted)) for wanted in taken]
        self._refuse([(wanted, holder) for wanted, holder in holders if not self._may_end(holder)])
        for wanted, holder in holders:
            await self._end(f"{wanted} is held by", holder)
        self._refuse([(w, h) for w, h in holders if not await asyncio.to_thread(self._machine.is_free, w)])
        for path in self._rules.unix_sockets:
            await self._clean_socket(path)

    async def after_stop(self) -> None:
        """Say whether every port is free again."""
        left = [wanted for wanted in self._ports if not await asyncio.to_thread(self._machine.is_free, wanted)]
        for wanted in left:
            log.warning("%s is still taken by %s", wanted, await asyncio.to_thread(self._machine.holder, wanted))
        if not left:
            log.info("ports clean")

    def _may_end(self, holder: Holder) -> bool:
        """Whether the rules allow it. Another running her-os is never ended, whatever they say."""
        if holder.pid is None or self._rules.kill_orphans is False or holder.supervised:
            return False
        return self._rules.kill_orphans == "any" or holder.ours

    def _refuse(self, taken: Sequence[tuple[WantedPort, Holder]]) -> None:
        if not taken:
            return
        lines = [f"{wanted} is taken by {holder}" for wanted, holder in taken]
        advice = "stop it (another her-os?), or change the port in the configuration"
        raise PortTaken("; ".join([*lines, advice]))

    async def _end(self, why: str, holder: Holder) -> None:
        assert holder.pid is not None
        kind = "an orphan of ours" if holder.ours else "a stranger"
        log.warning("%s %s, %s; ending it", why, kind, holder)
        how = await asyncio.to_thread(self._machine.end, holder.pid, self._rules.grace_s)
        if how:
            log.warning("pid %d ended by %s", holder.pid, how)
        else:
            log.error("pid %d could not be ended", holder.pid)

    async def _clean_pid_file(self, file: Path) -> None:
        """End an orphan that the file names; remove the file when it is stale."""
        pid = await asyncio.to_thread(_read_pid, file)
        if pid is None:
            return
        holder = await asyncio.to_thread(self._machine.process, pid) if pid > 0 else None
        if holder is not None and holder.ours:
            if not self._may_end(holder):
                log.warning("pid file %s names %s, which runs; it is left alone", file, holder)
                return
            await self._end(f"pid file {file} names", holder)
        await self._remove(file, f"stale pid file (process {pid} is {'gone' if holder is None else 'not ours'})")

    async def _clean_socket(self, path: Path) -> None:
        stale = await asyncio.to_thread(self._machine.socket_is_stale, path)
        if stale:
            await self._remove(path, "stale socket")
        elif stale is False:
            raise PortTaken(
                f"socket {path} (loader.port_hygiene.unix_sockets) has a listener; stop it, or remove it there"
            )

    async def _remove(self, path: Path, what: str) -> None:
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            log.warning("%s %s could not be removed (%s)", what, path, error.strerror)
        else:
            log.info("%s %s removed", what, path)


def _read_pid(file: Path) -> int | None:
    """The number in a pid file; 0 where it holds none; None where there is no file."""
    try:
        text = file.read_text(errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
