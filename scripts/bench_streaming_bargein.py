#!/usr/bin/env python3
"""How fast her-os answers, and how fast it falls silent when the caller speaks, over real SIP.

Starts the whole family (`her-os run`, embedded engines, barge-in on) on free ports, calls it with our own test
phone and measures at the phone's socket. One JSON file comes out; `analyze_streaming_bargein.py` makes tables and
plots of it.

How the onset is labelled: the moment at which the phone sent the first packet of the interruption whose RMS is above
-50 dBFS (`telephony/test_phone/audible.py`, which leaves a packet's first 5 ms out: there G.722's filters ring on from
the packet before). Speech is audible from the first packets of these recordings on, so this is early rather than
late; the up to 20 ms that a phone needs to fill a packet are not in it.
Last audible packet: the last one, by the same threshold, that arrived at the phone before 300 ms of silence.
Slot free: the cancel chain's `llm` leg, which closes the stream, and what the client then saw until the slot was free.

    .venv/bin/python scripts/bench_streaming_bargein.py --interruptions 60

The embedded model has said all it has to say before anybody can interrupt it. That its slot is freed while it is
working is measured with a larger one that never stops by itself (random weights, made in a minute):

    .venv/bin/python scripts/random_gguf.py /tmp/random.gguf
    .venv/bin/python scripts/bench_streaming_bargein.py --model /tmp/random.gguf \
        --out benchmark-results/streaming-DATE/busy-slot
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from her_os.household.call_log import read_call, read_calls  # noqa: E402
from her_os.telephony.test_phone.phone import TestPhone  # noqa: E402
from her_os.telephony.test_phone.wire_log import LoggedPacket  # noqa: E402
from scripts.measures import word_distance  # noqa: E402
from tests.e2e.running_family import Family, running_family  # noqa: E402
from tests.e2e.voices import speak  # noqa: E402

QUESTIONS = ("what time is it", "who are you", "what can you do", "set a timer for ten minutes", "what day is it")
STORIES = ("tell me a story", "tell me a long story", "tell me about yourself")
INTERRUPTIONS = ("stop", "wait", "okay stop please", "what time is it", "never mind", "thank you that is enough")
CALLERS = ("slt", "rms", "awb", "kal16")
SILENCE_MS = 300
RELEASED = re.compile(r"slot \d+ free after ([\d.]+) ms")
FIRST_WORDS = re.compile(r"first words ([\d.]+) ms after their onset")
FINAL = re.compile(r"final ([\d.]+) ms after the end of speech: '[^']")
CANCELLED = re.compile(r"turn \d+ cancelled .* in (?P<total>\d+) ms: .*llm=(?P<llm>\d+)ms")


@dataclass
class Run:
    """Everything measured; times in milliseconds."""

    when: str
    machine: str
    settings: dict[str, Any]
    first_words: list[float] = field(default_factory=list[float])
    final: list[float] = field(default_factory=list[float])
    word_errors: list[float] = field(default_factory=list[float])
    """Wrong words in a hundred, a figure a call."""
    onset_to_silence: list[float] = field(default_factory=list[float])
    end_to_first_audio: list[float] = field(default_factory=list[float])
    slot_free: list[float] = field(default_factory=list[float])
    thread_idle: list[float] = field(default_factory=list[float])
    chain_total: list[float] = field(default_factory=list[float])
    unanswered: int = 0
    not_silenced: int = 0
    finished_before_interruption: int = 0
    cpu_per_audio_second: dict[str, float] = field(default_factory=dict[str, float])
    audio_seconds: float = 0.0
    timeline: dict[str, Any] = field(default_factory=dict[str, Any])


async def measure_call(
    family: Family, voice: str, rounds: int, run: Run, rng: random.Random, *, questions: bool
) -> list[str]:
    """One call: in each round a question and an interrupted story. Returns all that was said."""
    said: list[str] = []
    async with TestPhone() as phone:
        await phone.dial(family.uri)
        began = time.monotonic()
        async with asyncio.timeout(60 + 40 * rounds):
            await phone.wait_for_speech(0)
            await phone.wait_for_silence(700)
            for _ in range(rounds):
                if questions:
                    said.append(rng.choice(QUESTIONS))
                    await measure_answer(phone, voice, said[-1], run)
                said += [rng.choice(STORIES), rng.choice(INTERRUPTIONS)]
                await measure_interruption(phone, voice, said[-2], said[-1], run, rng.uniform(0.6, 2.4))
        run.audio_seconds += time.monotonic() - began
    return said


async def measure_answer(phone: TestPhone, voice: str, question: str, run: Run) -> None:
    """End of a complete utterance -> first audible packet."""
    spoken = await phone.say(await speak(question, voice))
    first = await next_speech(phone, spoken.ended)
    if first is None:
        run.unanswered += 1
        return
    run.end_to_first_audio.append((first - spoken.offset) * 1000)
    await phone.wait_for_silence(700)


async def measure_interruption(
    phone: TestPhone, voice: str, story: str, interruption: str, run: Run, after_s: float
) -> None:
    """Onset of the caller's speech over the answer -> last audible packet of the answer."""
    asked = await phone.say(await speak(story, voice))
    if await next_speech(phone, asked.ended) is None:
        run.unanswered += 1
        return
    await asyncio.sleep(after_s)
    spoken = await phone.say(await speak(interruption, voice))
    await asyncio.sleep(0.2)
    told = [packet for packet in phone.audible_packets(asked.ended) if packet.at <= spoken.onset]
    if not told or spoken.onset - told[-1].at > 0.1:
        run.finished_before_interruption += 1
    else:
        last = last_before_silence(phone.audible_packets(spoken.onset), spoken.onset)
        if last > spoken.ended:
            run.not_silenced += 1
        else:
            run.onset_to_silence.append((last - spoken.onset) * 1000)
            if not run.timeline:
                run.timeline = timeline(phone, asked.onset - 0.5, spoken.ended + 3.0)
    await next_speech(phone, spoken.ended)
    await phone.wait_for_silence(700)


async def next_speech(phone: TestPhone, since: float) -> float | None:
    """Arrival of the next audible packet, None if none comes within 4 s."""
    try:
        async with asyncio.timeout(4):
            return await phone.wait_for_speech(since)
    except TimeoutError:
        return None


def last_before_silence(packets: list[LoggedPacket], onset: float) -> float:
    """Arrival of the last audible packet after `onset` before a silence; `onset` itself where none came."""
    last = onset
    for packet in packets:
        if packet.at - last > SILENCE_MS / 1000:
            break
        last = packet.at
    return last


def timeline(phone: TestPhone, since: float, until: float) -> dict[str, Any]:
    """Levels of both directions, for a plot of one interrupted turn."""

    def levels(packets: list[LoggedPacket]) -> list[tuple[float, float]]:
        return [(round(p.at - since, 4), round(p.level_dbfs, 1)) for p in packets if since <= p.at <= until]

    return {"caller": levels(phone.log.sent), "assistant": levels(phone.log.received)}


def read_what_daemons_tell(family: Family, run: Run, said: list[list[str]], log: list[str]) -> None:
    """What only they know: words and when they had them, the chains' own times. `said` by call, `log` since then."""
    path = family.state_dir / "calls.sqlite3"
    calls = [read_call(path, summary["id"]) for summary in reversed(read_calls(path, limit=1000))]
    for call, utterances in zip(calls[-len(said) :], said, strict=True):
        assert call is not None
        heard = " ".join(turn["caller_text"] for turn in call["turns"] if turn["caller_text"]).split()
        words = " ".join(utterances).split()
        run.word_errors.append(100 * word_distance(words, heard) / len(words))
        for turn in call["turns"]:
            if turn["cancel"]:
                trace = json.loads(turn["cancel"])
                legs = {leg["name"]: leg for leg in trace["legs"]}
                run.thread_idle.append(legs["tts"]["milliseconds"])
                run.chain_total.append(trace["total_ms"])
    run.slot_free.extend(slot_releases(log))
    run.first_words.extend(float(found[1]) for line in log if (found := FIRST_WORDS.search(line)))
    run.final.extend(float(found[1]) for line in log if (found := FINAL.search(line)))


def slot_releases(log: list[str]) -> list[float]:
    """Confirmed onset -> slot free: a chain's `llm` leg, and what its slot then took.

    A release that falls into no chain was a reply begun early and given up when the caller went on: not counted.
    """
    chains = [(second_of_day(line), found) for line in log if (found := CANCELLED.search(line))]
    waits: list[float] = []
    for line in log:
        if released := RELEASED.search(line):
            at = second_of_day(line)
            for ended, chain in chains:
                if ended - float(chain["total"]) / 1000 - 0.02 <= at <= ended + 0.5:
                    waits.append(float(released[1]) + float(chain["llm"]))
                    break
    return waits


def second_of_day(line: str) -> float:
    """The time at the beginning of a line of the log."""
    hours, minutes, seconds = line.split(maxsplit=1)[0].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def cpu_seconds(family: Family) -> dict[str, float]:
    """CPU seconds so far, by daemon, and of this load generator."""
    used = {name: sum(family.daemon(name).cpu_times()[:2]) for name in ("llm", "stt", "tts", "phone")}
    return used | {"load generator": sum(psutil.Process().cpu_times()[:2])}


async def main() -> None:
    """Run the benchmark and write its JSON."""
    options = parse_arguments()
    rng = random.Random(options.seed)
    out = options.out or ROOT / "benchmark-results" / f"streaming-{date.today()}"
    out.mkdir(parents=True, exist_ok=True)
    changes: dict[str, dict[str, Any]] = {"phone": {"record_calls": options.record}}
    if options.model:
        changes["llm"] = {"model": str(options.model.resolve())}
    told = changes | ({"llm": {"model": options.model.name}} if options.model else {})
    run = Run(time.strftime("%F %T"), f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores", told)
    with tempfile.TemporaryDirectory() as folder:
        async with running_family(Path(folder), changes=changes, log_level="DEBUG") as family:
            questions = options.model is None
            warm_up = Run("", "", {})  # fills caches; not counted
            await measure_call(family, "slt", 1, warm_up, random.Random(0), questions=questions)
            before, already = cpu_seconds(family), len(family.log().splitlines())
            said: list[list[str]] = []
            calls = -(-options.interruptions // options.rounds)
            for number in range(calls):
                caller = CALLERS[number % len(CALLERS)]
                said.append(await measure_call(family, caller, options.rounds, run, rng, questions=questions))
                print(f"call {number + 1}/{calls}: {len(run.onset_to_silence)} interruptions", file=sys.stderr)
            after = cpu_seconds(family)
            run.cpu_per_audio_second = {name: (after[name] - before[name]) / run.audio_seconds for name in after}
            read_what_daemons_tell(family, run, said, family.log().splitlines()[already:])
            (out / "daemons.log").write_text(family.log())
    (out / "run.json").write_text(json.dumps(asdict(run), indent=1))
    print(f"wrote {out / 'run.json'}")


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interruptions", type=int, default=60, help="how many interruptions to attempt (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="questions and interruptions a call (default 5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a GGUF in place of the embedded model; no questions then")
    parser.add_argument("--record", action="store_true", help="record the calls, as the default settings do")
    parser.add_argument("--out", type=Path, help="folder (default benchmark-results/streaming-DATE)")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
