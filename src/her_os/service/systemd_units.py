"""What systemd says of our units, by `systemctl show`, and the one thing we may ask of it: to restart one of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.contracts.errors import HerOsError

_OURS = re.compile(r"her-os-[a-z-]+\.service")
_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "NRestarts",
    "Result",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
)
_TIMEOUT_S = 10.0
_FRESH_S = 0.2


class SystemdUnavailable(HerOsError):
    """systemctl failed, or does not answer."""

    code = "systemd"


@dataclass(frozen=True)
class UnitReport:
    """One unit now. Times are seconds of the monotonic clock, which is the event loop's."""

    loaded: bool
    active_state: str
    sub_state: str
    main_pid: int
    restarts: int
    result: str
    started_s: float
    active_s: float


_UNITS = {"kwd": "wake"}


def unit_of(service: str) -> str:
    """The unit of a service of ours. The loader's `kwd` is the unit of the wake word daemon."""
    return f"her-os-{_UNITS.get(service, service).replace('_', '-')}.service"


class SystemdUnits:
    """Looks at all units with one call, shared by whoever asks within a moment. Event loop only."""

    def __init__(self, services: Sequence[str], program: str = "systemctl") -> None:
        self._units, self._program = [unit_of(service) for service in services], program
        self._reports: dict[str, UnitReport] = {}
        self._looked_s = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self, service: str) -> UnitReport:
        """The unit of a service. Raises SystemdUnavailable."""
        async with self._looking:
            if asyncio.get_running_loop().time() - self._looked_s > _FRESH_S:
                text = await self._run("show", f"--property={','.join(_PROPERTIES)}", *self._units)
                self._reports = parse_reports(text)
                self._looked_s = asyncio.get_running_loop().time()
        report = self._reports.get(unit_of(service))
        if report is None:
            raise SystemdUnavailable(f"systemd knows no {unit_of(service)}")
        return report

    async def restart(self, service: str) -> None:
        """Ask for a restart; returns when the job is queued. Raises SystemdUnavailable, also where that is refused."""
        unit = unit_of(service)
        if unit not in self._units or not _OURS.fullmatch(unit):
            raise SystemdUnavailable(f"{unit} is not ours to restart")
        await self._run("restart", "--no-block", "--no-ask-password", unit)
        self._looked_s = float("-inf")

    async def _run(self, *arguments: str) -> str:
        return await run_program(self._program, *arguments)


async def run_program(*command: str) -> str:
    """The output of a program. Raises SystemdUnavailable with what it said where it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise SystemdUnavailable(f"{command[0]} cannot be run ({error.strerror})") from error
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise SystemdUnavailable(f"{command[0]} does not answer") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = (err or out).decode(errors="replace").strip()
        raise SystemdUnavailable(f"{' '.join(command[:2])} failed: {said}")
    return out.decode(errors="replace")


def parse_reports(text: str) -> dict[str, UnitReport]:
    """Blocks of `Property=value` lines, one a unit, with an empty line between them."""
    reports: dict[str, UnitReport] = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        reports[values.get("Id", "")] = UnitReport(
            loaded=values.get("LoadState") == "loaded",
            active_state=values.get("ActiveState", ""),
            sub_state=values.get("SubState", ""),
            main_pid=_number(values.get("MainPID", "")),
            restarts=_number(values.get("NRestarts", "")),
            result=values.get("Result", ""),
            started_s=_number(values.get("ExecMainStartTimestampMonotonic", "")) / 1e6,
            active_s=_number(values.get("ActiveEnterTimestampMonotonic", "")) / 1e6,
        )
    return reports


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
