"""A process full of callers: each waits for the answer, speaks over it, and measures how soon it fell silent."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from bench_streaming_bargein import last_before_silence  # noqa: E402
from her_os.contracts.errors import HerOsError  # noqa: E402
from her_os.telephony.test_phone.phone import TestPhone  # noqa: E402
from tests.e2e.voices import speak  # noqa: E402


class Callers:
    """What the callers of this process measured, in milliseconds."""

    def __init__(self, uri: str, seconds: float, seed: int) -> None:
        self._uri, self._seconds, self._chance = uri, seconds, random.Random(seed)
        self.silence: list[float] = []
        self.gaps: list[float] = []
        self.failed: list[str] = []

    async def call(self, speech: bytes) -> None:
        """One caller, from dialling to hanging up."""
        await asyncio.sleep(self._chance.uniform(0, 2))
        async with TestPhone() as phone:
            try:
                await phone.dial(self._uri)
                await self._interrupt(phone, speech, time.monotonic() + self._seconds)
            except (HerOsError, TimeoutError) as error:
                self.failed.append(repr(error))
            arrivals = [packet.at for packet in phone.log.received]
            self.gaps += [(after - before) * 1000 for before, after in pairwise(arrivals)]

    async def _interrupt(self, phone: TestPhone, speech: bytes, until: float) -> None:
        async with asyncio.timeout(10):
            await phone.wait_for_speech(0)
        while time.monotonic() < until:
            await asyncio.sleep(self._chance.uniform(0.8, 3))
            before = time.monotonic()
            spoken = await phone.say(speech)
            if not any(before - 0.1 < packet.at <= spoken.onset for packet in phone.audible_packets(before - 0.1)):
                self.failed.append("it was not speaking")
            else:
                last = last_before_silence(phone.audible_packets(spoken.onset), spoken.onset)
                self.silence.append((last - spoken.onset) * 1000)
            async with asyncio.timeout(10):
                await phone.wait_for_speech(spoken.ended)


async def main() -> None:
    """Call, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--phones", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    callers = Callers(options.uri, options.seconds, options.seed)
    speech = await speak("tell me more")
    await asyncio.gather(*(callers.call(speech) for _ in range(options.phones)))
    print(json.dumps({"silence": callers.silence, "gaps": callers.gaps, "failed": callers.failed}))


if __name__ == "__main__":
    asyncio.run(main())
