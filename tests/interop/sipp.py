"""A real sipp, running one of our scenario files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ports import free_port, free_ports

SCENARIOS = Path(__file__).parent / "scenarios"


async def run_sipp(
    folder: Path, scenario: str, port: int, *options: str, timeout_s: float = 30, listen: int = 0
) -> None:
    """Run `scenario` (a file of ours) once against our server on `port`, from the port `listen` if it is given.

    Fails with sipp's own words.
    """
    local, media = listen or free_port(), free_ports(4)
    command = ["sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(local)]
    command += ["-m", "1", "-nostdin", "-timeout", str(int(timeout_s)), "-timeout_error", "-trace_err", "-trace_msg"]
    command += ["-mi", "127.0.0.1", "-mp", str(media)]
    command += [*options, f"127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(timeout_s + 10):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"sipp left with {process.returncode}\n{output.decode()[-1500:]}\n{_logs(folder)}"


def _logs(folder: Path) -> str:
    """What sipp wrote of its errors and messages."""
    files = [*folder.glob("*_errors.log"), *folder.glob("*_messages.log")]
    return "\n".join(file.read_text(errors="replace")[-4000:] for file in files)
