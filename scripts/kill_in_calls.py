#!/usr/bin/env python3
"""Kill -9 a daemon at a random moment of a call, again and again, and see what the caller and the records lose.

The real family with the embedded engines, one real SIP call each time. A sidecar's death must leave the call up, and a
question after its return answered; the phone loop's death ends the call, and the next one must be taken. Each time the
call must be closed in the log with all it had said, and the recording must reach to the last second.

    .venv/bin/python scripts/kill_in_calls.py --kills 50

Writes kill-in-calls-DATE.md and .json; exit status 1 where something was lost or hung.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from her_os.contracts.errors import HerOsError  # noqa: E402
from her_os.household.call_log import read_call  # noqa: E402
from her_os.telephony.test_phone.phone import TestPhone  # noqa: E402
from scripts.measures import quantile  # noqa: E402
from tests.e2e.running_family import Family, running_family  # noqa: E402
from tests.e2e.voices import speak  # noqa: E402
from tests.waiting import until  # noqa: E402

SIDECARS = ("stt", "llm", "tts")
QUESTIONS = ("what time is it", "tell me a story", "what day is it")
MOST_LOST_S = 1.0
"""Of the recording's end."""


@dataclass
class Kill:
    """One death and what followed. Times in seconds; `wrong` is empty where all was as it should be."""

    daemon: str
    after_s: float
    back_s: float = 0.0
    outcome: str = ""
    turns: int = 0
    recording_lost_s: float = 0.0
    wrong: str = ""


async def kill_once(family: Family, kill: Kill) -> None:
    """A call in which it happens; fills in the rest."""
    mark = len(family.log())
    async with TestPhone() as phone:
        await phone.dial(family.uri)
        answered = time.monotonic()
        call_id = (await family.wait_for_log(r"call (\w{12}) from", since=mark))[1]
        talk = asyncio.create_task(_talk(phone))
        await asyncio.sleep(kill.after_s)
        os.kill(family.daemon(kill.daemon).pid, signal.SIGKILL)
        killed = time.monotonic()
        await family.wait_for_log(f"{kill.daemon} ready after", 90, since=mark)
        kill.back_s = time.monotonic() - killed
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
        if kill.daemon in SIDECARS:
            if not phone.in_call:
                kill.wrong = f"the call ended: {phone.ended_reason}"
            elif not await _answers(phone):
                kill.wrong = "no answer after it was back"
    ended = killed if kill.daemon == "phone" else time.monotonic()
    if kill.daemon == "phone":
        async with TestPhone() as phone:
            await phone.dial(family.uri)
            await phone.wait_for_speech(0)
    call = await _closed(family, call_id)
    kill.outcome, kill.turns = call["outcome"], len(call["turns"])
    kill.recording_lost_s = ended - answered - _seconds(Path(call["recording"]))
    if kill.recording_lost_s > MOST_LOST_S:
        kill.wrong = kill.wrong or "the recording ends early"
    if (kill.outcome == "crashed") != (kill.daemon == "phone"):
        kill.wrong = kill.wrong or f"the log says {kill.outcome}"


async def _talk(phone: TestPhone) -> None:
    """Ask one thing after the other, whatever comes back."""
    for text in QUESTIONS * 5:
        await asyncio.sleep(1.5)
        await phone.say(await speak(text))


async def _answers(phone: TestPhone) -> bool:
    """Whether one of a few questions is answered."""
    for _ in range(4):
        try:
            async with asyncio.timeout(15):
                await phone.wait_for_silence(700)
                spoken = await phone.say(await speak(QUESTIONS[0]))
                await phone.wait_for_speech(spoken.ended)
                return True
        except TimeoutError:
            continue
    return False


async def _closed(family: Family, call_id: str) -> dict[str, Any]:
    calls: list[dict[str, Any]] = []

    def is_closed() -> bool:
        call = read_call(family.state_dir / "calls.sqlite3", call_id)
        calls[:] = [call] if call is not None and call["outcome"] != "open" else []
        return bool(calls)

    async with asyncio.timeout(20):
        await until(is_closed)
    return calls[0]


def _seconds(recording: Path) -> float:
    with wave.open(str(recording)) as file:
        return file.getnframes() / file.getframerate()


def table(kills: Sequence[Kill]) -> str:
    """Markdown, one row a daemon."""
    lines = [
        f"# kill -9 at {len(kills)} random moments of a call\n",
        "Made by `scripts/kill_in_calls.py`: real daemons in spawning mode, embedded engines, real SIP calls with",
        "the caller talking all the time. Wrong would be: a call that a sidecar's death ends, no answer after its",
        f"return, a log that is not closed, a recording that lacks more than {MOST_LOST_S:g} s at its end, or that",
        "anything hangs.\n",
        "| daemon | kills | wrong | back and ready, p50 / max s | recording lacks at most | turns in the log |",
        "|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(kill.daemon for kill in kills):
        own = [kill for kill in kills if kill.daemon == name]
        back = [kill.back_s for kill in own]
        lines.append(
            f"| {name} | {len(own)} | {sum(bool(kill.wrong) for kill in own)} | {quantile(back, 0.5):.1f} / "
            f"{max(back):.1f} | {max(kill.recording_lost_s for kill in own):.2f} s | {sum(k.turns for k in own)} |"
        )
    lines += ["", *(f"- {kill.daemon} after {kill.after_s:.1f} s: {kill.wrong}" for kill in kills if kill.wrong)]
    return "\n".join(lines).rstrip() + "\n"


async def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmark-results")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    kills: list[Kill] = []
    patience = {"restart_policy": {"max_restarts": given.kills, "backoff": {"initial_sec": 0.5, "max_sec": 0.5}}}
    with tempfile.TemporaryDirectory() as folder:
        async with running_family(Path(folder), changes={"loader": patience}) as family:
            for number in range(given.kills):
                kill = Kill((*SIDECARS, "phone")[number % 4], chance.uniform(0.2, 9))
                kills.append(kill)
                try:
                    async with asyncio.timeout(180):
                        await kill_once(family, kill)
                except (HerOsError, TimeoutError, AssertionError, OSError, EOFError) as error:
                    kill.wrong = f"{type(error).__name__}: {str(error)[-300:]}"
                print(f"{number + 1}: {kill}", file=sys.stderr, flush=True)
    text, name = table(kills), f"kill-in-calls-{date.today()}"
    (given.out / f"{name}.md").write_text(text)
    (given.out / f"{name}.json").write_text(json.dumps([asdict(kill) for kill in kills], indent=1) + "\n")
    print(text)
    return int(any(kill.wrong for kill in kills))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
