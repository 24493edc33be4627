"""Gate 0.6: the configuration, what it names, and where her-os is installed the units."""

from __future__ import annotations

import asyncio
import shutil

from her_os.daemons.mistakes import find_mistakes
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.service.install.layout import Layout
from her_os.service.install.machine import stale_drop_ins

NUMBER, NAME, MEASURES = 6, "configuration and units", False


async def check(machine: Machine) -> Finding:
    """Raises GateClosed with every mistake."""
    settings = machine.settings
    mistakes = await asyncio.to_thread(find_mistakes, settings)
    if mistakes:
        raise GateClosed("; ".join(map(str, mistakes)), "mend these; `her-os config check` says when it is good")
    if not machine.installed:
        return Finding(f"{settings.source} is good; no units are installed")
    if stale := stale_drop_ins(settings, Layout()):
        raise GateClosed(
            f"{', '.join(path.parent.name for path in stale)} do not say what the configuration says",
            "run `sudo her-os install`, then `systemctl restart her-os.target`",
        )
    units = sorted(Layout().units.glob("her-os*.*"))
    if complaint := await _verify([str(unit) for unit in units if unit.is_file()]):
        raise GateClosed(f"systemd complains: {complaint}", "run scripts/install.sh again; see also `systemctl edit`")
    return Finding(f"{settings.source} is good; {len(units)} units agree with it")


async def _verify(units: list[str]) -> str:
    """What systemd-analyze prints: its status is 0 for unknown keys, too."""
    program = shutil.which("systemd-analyze")
    if program is None or not units:
        return ""
    process = await asyncio.create_subprocess_exec(
        program, "verify", *units, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    lines = [line for line in out.decode(errors="replace").splitlines() if "her-os" in line]
    return "; ".join(lines[:5])
