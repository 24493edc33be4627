#!/usr/bin/env python3
"""Hunt on the real wire for a packet of an old answer after a new turn has begun: real daemons, real SIP and RTP.

Callers speak over the assistant, or into its thinking, at random moments. The scripted voice (`scripts/capacity/`) hums
each answer at another pitch, so each received packet tells which answer it is of. Wrong is a packet of an answer older
than one that was heard before it, and a packet of what sounded at the onset once the interruption has been said.

    .venv/bin/python scripts/hunt_old_audio.py --interruptions 1000

Exit status 1 where one was found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from her_os.contracts.errors import HerOsError  # noqa: E402
from her_os.telephony.test_phone.phone import TestPhone  # noqa: E402
from her_os.telephony.test_phone.wire_log import LoggedPacket  # noqa: E402
from scripts.capacity.engines import CODE_WORDS, RATE  # noqa: E402
from scripts.capacity.family import scripted_family  # noqa: E402
from tests.e2e.running_family import Family  # noqa: E402
from tests.e2e.voices import speak  # noqa: E402

CYCLE = len(CODE_WORDS)
SPEECH = ("tell me more", "no, wait", "stop")
HEARD_FROM = 100
"""Amplitude from which a hum counts: 38 dB below the voice's."""


@dataclass
class Found:
    """What the hunters met."""

    interruptions: int = 0
    over_speech: int = 0
    """Of those: while something could be heard."""
    packets: int = 0
    """Those with a hum."""
    wrong: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])


def answer_of(packet: LoggedPacket) -> int | None:
    """The number of the answer, in its cycle, whose hum is in the packet: one pitch, no codec's click at its end."""
    wave = np.frombuffer(packet.pcm, "<i2").astype(np.float64)
    if not wave.size:
        return None
    turns = np.outer(np.arange(CYCLE) * 100 + 400, np.arange(wave.size)) * (2j * np.pi / RATE)
    amplitudes = np.abs(np.exp(-turns) @ wave) * 2 / wave.size
    second, loudest = np.argsort(amplitudes)[-2:]
    hum = amplitudes[loudest] >= HEARD_FROM and amplitudes[loudest] > 2 * amplitudes[second]
    return int(loudest) if hum else None


def is_older(one: int, other: int) -> bool:
    """Whether `one` came before `other`; answers follow each other closely, so half a cycle is far."""
    return 0 < (other - one) % CYCLE < CYCLE // 2


def examine(received: list[LoggedPacket], said: list[tuple[float, float]], found: Found) -> None:
    """All packets of a call, and the (onset, end) of what was said into it."""
    hums = [(packet.at, answer) for packet in received if (answer := answer_of(packet)) is not None]
    found.packets += len(hums)
    newest: int | None = None
    for at, answer in hums:
        if newest is not None and is_older(answer, newest):
            found.wrong.append(f"answer {answer} {at - hums[0][0]:.3f} s into the call, after answer {newest}")
        else:
            newest = answer
    for onset, ended in said:
        sounding = [answer for at, answer in hums if onset - 0.05 < at <= onset]
        found.over_speech += bool(sounding)
        late = [at for at, answer in hums if sounding and answer == sounding[-1] and ended < at < ended + 3]
        if late:
            found.wrong.append(f"{len(late)} packets of answer {sounding[-1]} after the interruption had been said")


async def hunt(family: Family, count: int, chance: random.Random, found: Found) -> None:
    """One call with so many interruptions."""
    voices = [await speak(text) for text in SPEECH]
    said: list[tuple[float, float]] = []
    async with TestPhone() as phone:
        try:
            await phone.dial(family.uri)
            async with asyncio.timeout(20):
                await phone.wait_for_speech(0)
            for _ in range(count):
                await asyncio.sleep(chance.uniform(0.0, 2.5))
                spoken = await phone.say(chance.choice(voices))
                said.append((spoken.onset, spoken.ended))
            await asyncio.sleep(3)
        except (HerOsError, TimeoutError) as error:
            found.failed.append(repr(error))
        found.interruptions += len(said)
        examine(phone.log.received, said, found)


async def hunters(interruptions: int, callers: int, seed: int) -> Found:
    """So many interruptions by so many callers at once."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        async with scripted_family(Path(folder), callers) as family:
            each = -(-interruptions // callers)
            await asyncio.gather(*(hunt(family, each, random.Random(seed + at), found) for at in range(callers)))
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interruptions", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=4, help="calls at once (default 4)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmark-results" / f"old-audio-{date.today()}.json")
    given = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(hunters(given.interruptions, given.callers, given.seed))
    result = {"seconds": round(time.monotonic() - began), "callers": given.callers, **vars(found)}
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return int(bool(found.wrong or found.failed))


if __name__ == "__main__":
    raise SystemExit(main())
