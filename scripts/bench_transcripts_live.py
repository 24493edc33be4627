#!/usr/bin/env python3
"""A call ends while another begins: how soon can it be searched, and does the other call miss a frame?

Starts the whole family as ./start.sh does, places a call, hangs up, and places the next one at once. During that one
the first is transcribed and summarised by itself.

    .venv/bin/python scripts/bench_transcripts_live.py    # writes benchmark-results/transcripts-live-DATE.md
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from her_os.household.call_log import read_call, read_calls
from her_os.telephony.test_phone.phone import TestPhone
from her_os.telephony.test_phone.wire_log import LoggedPacket
from tests.e2e.running_family import Family, running_family
from tests.e2e.voices import speak

QUESTIONS = ("what time is it", "what is seven plus five", "set a timer for ten minutes")
FRAME_S = 0.02


@dataclass
class Heard:
    """The packets that one call received from the assistant, and what was at work meanwhile."""

    packets: int
    expected: int
    gap_p99_ms: float
    gap_max_ms: float
    workers: int


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="length of the second call")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = asyncio.run(measure(Path(folder), given.seconds))
    given.out.mkdir(exist_ok=True)
    (given.out / f"transcripts-live-{date.today()}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


async def measure(folder: Path, seconds: float) -> list[str]:
    """Two calls; the report."""
    async with running_family(folder) as family:
        alone = await call(family, seconds)
        ended = time.monotonic()
        searching = asyncio.create_task(searchable(family, ended))
        beside = await call(family, seconds)
        found_s, hits, summary = await searching
    assert alone.workers == 0
    assert beside.workers > 0, "nothing was transcribed during the second call"
    rows = [
        f"| {name} | {heard.packets} of {heard.expected} | {heard.gap_p99_ms:.1f} ms | {heard.gap_max_ms:.1f} ms |"
        for name, heard in (("alone", alone), ("while the first is transcribed", beside))
    ]
    return [
        f"# A finished call is transcribed while the next goes on ({date.today()})",
        "",
        f"Embedded engines, ./start.sh's own supervisor, {os.cpu_count()} cores shared with other work (load "
        f"{os.getloadavg()[0]:.1f}).",
        "",
        f"- **{found_s:.1f} s** after the first call ended `her-os calls search seven` found it ({hits} places), with",
        f"  its summary ({summary}) on disk. Promised: 60 s.",
        "- What the phone received from the assistant, one RTP packet each 20 ms:",
        "",
        "| call | packets | gap p99 | longest gap |",
        "|---|---|---|---|",
        *rows,
        "",
        f"- Worker processes seen at work during the second call: {beside.workers} (nice 10, idle I/O class).",
        "",
        "Made by `scripts/bench_transcripts_live.py`.",
    ]


async def call(family: Family, seconds: float) -> Heard:
    """Ask one question after the other until the time is over."""
    workers: set[int] = set()
    counting = asyncio.create_task(count_workers(workers))
    async with TestPhone() as phone:
        await phone.dial(family.uri)
        until = time.monotonic() + seconds
        await phone.wait_for_speech(0)
        await phone.wait_for_silence(700)
        number = 0
        while time.monotonic() < until:
            spoken = await phone.say(await speak(QUESTIONS[number % len(QUESTIONS)]))
            number += 1
            async with asyncio.timeout(20):
                await phone.wait_for_speech(spoken.ended)
                await phone.wait_for_silence(700)
        packets = list(phone.log.received)
    counting.cancel()
    await asyncio.wait({counting})
    return summarised(packets, len(workers))


def summarised(packets: list[LoggedPacket], workers: int) -> Heard:
    """How even they came."""
    gaps = sorted((after.at - before.at) * 1000 for before, after in itertools.pairwise(packets))
    expected = round((packets[-1].at - packets[0].at) / FRAME_S) + 1
    return Heard(len(packets), expected, gaps[int(len(gaps) * 0.99)], gaps[-1], workers)


def working() -> set[int]:
    """Process ids of transcript workers of ours."""
    found: set[int] = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if "her_os.daemons.transcript_worker" in child.cmdline():
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


async def searchable(family: Family, ended: float) -> tuple[float, int, str]:
    """Seconds until the first call can be found, places found, and kind of its summary."""
    first = read_call(family.state_dir / "calls.sqlite3", read_calls(family.state_dir / "calls.sqlite3", 1)[0]["id"])
    assert first is not None
    while True:
        told = await asyncio.to_thread(family.run, "calls", "search", "seven", "--json")
        hits = [hit for hit in json.loads(told.stdout or "[]") if hit["call_id"] == first["id"]]
        if hits:
            written = Path(family.state_dir / "transcripts" / Path(first["recording"]).with_suffix(".json").name)
            return time.monotonic() - ended, len(hits), kind_of(written)
        await asyncio.sleep(0.5)


def kind_of(written: Path) -> str:
    """Of the summary."""
    return json.loads(written.read_text())["summary"]["kind"]


async def count_workers(seen: set[int]) -> None:
    """Look for transcript workers all the time."""
    while True:
        seen |= working()
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    main()
