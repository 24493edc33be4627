"""Throws damaged and random datagrams at the telephony: its parsers, its SIP server, and a live call.

    .venv/bin/python scripts/fuzz_telephony.py --seconds 60 --seed 1

Says what it threw and ends with status 1 at the first fault, naming the seed and the datagram that did it. The short
form runs with the tests (`tests/telephony/test_fuzz.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import psutil

from telephony_fuzz.live_call import attack_live_call
from telephony_fuzz.noise import Noise
from telephony_fuzz.parsers import ParserTargets

_LIVE_DATAGRAMS_PER_S = 1_000
_LIVE_PORTS = (30_000, 30_099)


async def main() -> int:
    """Parsers for half of the time, the live call for the other half."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        count, grown_mb = _parsers(ParserTargets(Path(folder)), Noise(options.seed), options.seconds / 2)
    print(f"parsers: {count} datagrams, none raised, {grown_mb:.1f} MB grown")
    datagrams = int(options.seconds / 2 * _LIVE_DATAGRAMS_PER_S)
    report = await attack_live_call(options.seed, datagrams, rtp_ports=_LIVE_PORTS)
    print(f"live call: {report}")
    for fault in report.faults:
        print(f"fault: {fault}")
    return 1 if report.faults or grown_mb > 8 else 0


def _parsers(targets: ParserTargets, noise: Noise, seconds: float) -> tuple[int, float]:
    end, count, rss = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        for make in (noise.sip, noise.sdp, noise.rtp, noise.rtcp, noise.stun, noise.junk):
            data = make()
            for target in targets.all():
                try:
                    target(data)
                except BaseException:
                    print(f"fault in {target.__name__} after {count} datagrams: {data!r}")
                    raise
            count += 1
        if count == 6_000:
            rss = psutil.Process().memory_info().rss
    return count, (psutil.Process().memory_info().rss - rss) / 1e6 if rss else 0.0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
