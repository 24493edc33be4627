#!/usr/bin/env python3
"""Calls one after the other for as long as you like, with every service live: does anything grow?

    .venv/bin/python scripts/soak.py --minutes 60 --out benchmark-results/streaming-2026-01-31
    .venv/bin/python scripts/soak.py --sessions 500 --calls 200 --minutes 0 --out benchmark-results/sessions-2026-01-31

Half of the answers are interrupted. With `--sessions` so many sessions come first, one after the other, on recogniser
and voice, every other of the voice's cancelled. The first tenth (of the time or the calls) warms the daemons up; from
then on the memory of each is watched (USS, what is its alone), with its threads and descriptors. Writes soak.json;
analyze_streaming_bargein.py reads it.
Exit status 1 where something grew: memory by more than 5 %, threads or descriptors at all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from her_os.clients.stt_client import SttClient  # noqa: E402
from her_os.clients.tts_client import TtsClient  # noqa: E402
from her_os.contracts.audio import FRAME_BYTES  # noqa: E402
from her_os.contracts.errors import CancelledTurn  # noqa: E402
from her_os.settings.schema import SpeechToText  # noqa: E402
from her_os.telephony.test_phone.phone import TestPhone  # noqa: E402
from scripts.analyze_streaming_bargein import MOST_GROWTH  # noqa: E402
from scripts.bench_streaming_bargein import CALLERS, INTERRUPTIONS, QUESTIONS, STORIES, next_speech  # noqa: E402
from tests.e2e.running_family import Family, running_family  # noqa: E402
from tests.e2e.voices import speak  # noqa: E402

DAEMONS = ("llm", "stt", "tts", "phone")
SLACK_BYTES = 2**20
"""Growth below a mebibyte is an allocator's, whatever share of a small daemon it is."""


@dataclass(frozen=True)
class Held:
    """What a daemon holds between two calls."""

    memory: int
    threads: int
    descriptors: int


def held(family: Family) -> dict[str, Held]:
    """All daemons now."""
    found = {name: family.daemon(name) for name in DAEMONS}
    return {name: Held(p.memory_full_info().uss, p.num_threads(), p.num_fds()) for name, p in found.items()}


async def sessions(family: Family, count: int) -> list[str]:
    """So many sessions on recogniser and voice, the first tenth to warm up; what grew."""
    stt_token, tts_token = family.secret("HER_OS_STT_TOKEN"), family.secret("HER_OS_TTS_TOKEN")
    settings = SpeechToText(port=family.settings["stt"]["port"])
    speech = (await speak(QUESTIONS[0]))[: FRAME_BYTES * 100]
    before = held(family)
    async with TtsClient(f"http://127.0.0.1:{family.settings['tts']['port']}", tts_token) as voice:
        for number in range(1, count + 1):
            if number == count // 10:
                before = held(family)
            client = SttClient(settings, stt_token, f"soak-{number}")
            await client.open()
            for at in range(0, len(speech), FRAME_BYTES):
                client.push(speech[at : at + FRAME_BYTES], at // 2)
            await client.finalize()
            await client.close()
            try:
                async with voice.speak(f"soak.{number}", STORIES[0]) as stream:
                    async for _ in stream:
                        if number % 2:
                            await voice.cancel(f"soak.{number}")
            except CancelledTurn:
                pass
            print(f"\r{number} sessions", end="", file=sys.stderr)
    await asyncio.sleep(5)
    return judge(before, held(family))


async def one_call(family: Family, rng: random.Random) -> None:
    """A question, and a story that is interrupted or heard for a while."""
    voice = rng.choice(CALLERS)
    async with TestPhone() as phone:
        await phone.dial(family.uri)
        async with asyncio.timeout(120):
            await phone.wait_for_speech(0)
            await phone.wait_for_silence(700)
            for text in (rng.choice(QUESTIONS), rng.choice(STORIES)):
                spoken = await phone.say(await speak(text, voice))
                if await next_speech(phone, spoken.ended) is None:
                    continue
                if rng.random() < 0.5:
                    await asyncio.sleep(rng.uniform(0.1, 2))
                    await phone.say(await speak(rng.choice(INTERRUPTIONS), voice))
            await asyncio.sleep(rng.uniform(0, 2))  # and hangs up in the middle of whatever is said


def judge(before: dict[str, Held], after: dict[str, Held]) -> list[str]:
    """What grew, in words."""
    complaints: list[str] = []
    for name in DAEMONS:
        was, now = before[name], after[name]
        grown = now.memory - was.memory
        if grown > max(MOST_GROWTH * was.memory, SLACK_BYTES):
            complaints.append(f"{name} grew by {grown / 2**20:.1f} MiB from {was.memory / 2**20:.0f}")
        if now.threads > was.threads:
            complaints.append(f"{name} has {now.threads} threads and had {was.threads}")
        if now.descriptors > was.descriptors:
            complaints.append(f"{name} has {now.descriptors} descriptors and had {was.descriptors}")
    return complaints


async def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--calls", type=int, default=0, help="at least so many, however long it takes")
    parser.add_argument("--sessions", type=int, default=0, help="so many on recogniser and voice come before the calls")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder for soak.json")
    given = parser.parse_args()
    rng, calls = random.Random(given.seed), 0
    before: dict[str, Held] | None = None
    with tempfile.TemporaryDirectory() as folder:
        async with running_family(Path(folder), changes={"phone": {"record_calls": False}}) as family:
            pids = {name: family.daemon(name).pid for name in DAEMONS}
            complaints = await sessions(family, given.sessions) if given.sessions else []
            began = time.monotonic()
            while (minutes := (time.monotonic() - began) / 60) < given.minutes or calls < given.calls:
                if before is None and calls >= max(3, given.calls / 10) and minutes >= given.minutes / 10:
                    before = held(family)
                await one_call(family, rng)
                calls += 1
                print(f"\r{calls} calls, {minutes:.0f} of {given.minutes:g} minutes", end="", file=sys.stderr)
            await asyncio.sleep(5)  # sessions drain, sockets close
            after = held(family)
            died = [name for name in DAEMONS if family.daemon(name).pid != pids[name]]
    before = before or after
    complaints += [*judge(before, after), *(f"{name} died" for name in died)]
    result = {
        "minutes": round(minutes, 1),
        "calls": calls,
        "sessions": given.sessions,
        "growth": {name: after[name].memory / before[name].memory - 1 for name in DAEMONS},
        "mebibytes": {name: round(after[name].memory / 2**20, 1) for name in DAEMONS},
        "complaints": complaints,
        "clean": not complaints,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return int(bool(complaints))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
