"""The hunt: interruptions at random moments, and never a sample of an old answer in a new turn.

A quarter of a thousand in each run of the tests; the thousand with `./start.sh test --soak`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.conversation.call import VIRTUAL_TIME, FakeCall, make_call
from tests.fakes.line import NOISE, SILENCE, SPEECH, ScriptedLine
from tests.fakes.speaking import SAMPLES_A_CHARACTER, ToneSynthesizer

pytestmark = [VIRTUAL_TIME, pytest.mark.timeout(300)]

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 4))]
INTERRUPTIONS = 250
WORDS = ("yes.", " so", " it", " was.", " a", " lamp", " told", " me!", " then", " what?")


class NumberedVoice(ToneSynthesizer):
    """Every sample of turn N is N: what is on the wire tells whose it is."""

    @asynccontextmanager
    async def speak(self, session_id: str, text: str) -> AsyncIterator[NumberedStream]:
        async with super().speak(session_id, text) as tone:
            yield NumberedStream(tone, int(session_id.rpartition(".")[2]))


class NumberedStream:
    sample_rate, marks = 16_000, ()

    def __init__(self, tone: AsyncIterator[bytes], turn: int) -> None:
        self._tone, self._pcm = tone, struct.pack("<h", turn) * SAMPLES_A_CHARACTER

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for _ in self._tone:
            yield self._pcm


def restless_caller(chance: random.Random) -> tuple[Callable[[float], int], float]:
    """Someone who speaks, and makes noises, whenever they like; and how long they do."""
    spans: list[tuple[float, float, int]] = []
    now = 0.3
    for _ in range(INTERRUPTIONS):
        level = NOISE if chance.random() < 0.2 else SPEECH
        until = now + chance.uniform(0.1, 0.7)
        spans.append((now, until, level))
        now = until + chance.choice((chance.uniform(0.02, 0.4), chance.uniform(0.3, 1.2), chance.uniform(0.8, 2.5)))
    place = iter([*spans, (now, now, SILENCE)])
    current = next(place)

    def level_at(moment: float) -> int:
        nonlocal current
        while moment >= current[1] and current[1] < now:
            current = next(place)
        return current[2] if current[0] <= moment < current[1] else SILENCE

    return level_at, now + 3


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_packet_of_an_old_answer_is_ever_sent_in_a_new_turn(seed: int) -> None:
    chance = random.Random(seed)
    level_at, seconds = restless_caller(chance)
    replies = [[chance.choice(WORDS) for _ in range(chance.randint(1, 12))] for _ in range(2 * INTERRUPTIONS)]
    line = WatchedLine(level_at)
    call = make_call(line, ["what then"] * 2 * INTERRUPTIONS, replies, word_s=chance.uniform(0.005, 0.08))
    voice = NumberedVoice(first_chunk_s=chance.uniform(0, 0.1), cancel_s=chance.uniform(0, 0.4))
    replace_voice(call, voice)
    line.call = call
    await call.run_for(seconds)
    outcomes = [turn.outcome for turn in call.journal.turns]
    assert line.strays == []
    assert outcomes.count("interrupted") > INTERRUPTIONS // 4
    assert outcomes.count("answered") > INTERRUPTIONS // 25
    assert line.heard_turns > INTERRUPTIONS // 4


def replace_voice(call: FakeCall, voice: ToneSynthesizer) -> None:
    call.orchestrator._parts.replier._synthesizer = voice
    call.orchestrator._synthesizer = voice


class WatchedLine(ScriptedLine):
    """Compares each packet's turn with the turn that is current when it is sent."""

    def __init__(self, caller: Callable[[float], int]) -> None:
        super().__init__(caller)
        self.call: FakeCall | None = None
        self.strays: list[tuple[int, int]] = []
        self._turns: set[int] = set()
        next_frame = self.playout.next_frame

        def watched(now: float) -> tuple[bytes, list[tuple[int, int]]]:
            pcm, played = next_frame(now)
            if pcm.strip(b"\0") and self.call is not None:
                self._compare(pcm)
            return pcm, played

        self.playout.next_frame = watched

    @property
    def heard_turns(self) -> int:
        return len(self._turns)

    def _compare(self, pcm: bytes) -> None:
        assert self.call is not None
        current = self.call.orchestrator._parts.epoch.current
        for turn in set(struct.unpack(f"<{len(pcm) // 2}h", pcm)) - {0}:
            self._turns.add(turn)
            if turn != current:
                self.strays.append((turn, current))
