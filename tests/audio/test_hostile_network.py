"""A network at its worst, in virtual time: the delay stays bounded, nothing drifts, and the caller is understood."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from her_os.audio.jitter_buffer import JitterBuffer
from tests.audio.network import Arrival, audio_of, play, stream
from tests.telephony.signals import babble, best_match

SECONDS = 45
SPEECH = b"".join(babble(0.6, seed=1_000 + index) + bytes(12_800) for index in range(SECONDS))
WORD = 19_200
"""Bytes of the speech at the start of each second."""


def network(
    *, loss: float, jitter_s: float, doubled: float, speed: float = 1.0, ssrc: int = 1, seed: int = 5
) -> list[Arrival]:
    """Every packet late by a random time (so they overtake one another), some lost, some twice."""
    pick = random.Random(seed)
    once = stream(
        SPEECH,
        delay=lambda _: None if pick.random() < loss else pick.uniform(0, jitter_s),
        speed=speed,
        ssrc=ssrc,
    )
    again = [replace(packet, at=packet.at + pick.uniform(0, 0.1)) for packet in once if pick.random() < doubled]
    return sorted(once + again, key=lambda packet: packet.at)


def delay_ms(played: bytes, second: int) -> tuple[float, float]:
    """How late the word of that second came out, and how well."""
    said = SPEECH[second * 32_000 : second * 32_000 + WORD]
    match, at = best_match(played[second * 32_000 : second * 32_000 + WORD + 16_000], said)
    return at / 16, match


class Watched(JitterBuffer):
    """Keeps the deepest it ever was."""

    deepest_ms = 0.0

    def pull(self, now: float):  # type: ignore[no-untyped-def]
        self.deepest_ms = max(self.deepest_ms, self.depth_ms)
        return super().pull(now)


def heard(arrivals: Sequence[Arrival], buffer: JitterBuffer) -> bytes:
    return audio_of(play(buffer, arrivals, until=SECONDS - 0.5))


@pytest.mark.parametrize("speed", [1.0002, 0.9998])
def test_everything_at_once(speed: float) -> None:
    """20 % loss, 200 ms of jitter (so reordering too), 5 % duplicates, and a clock 200 ppm off."""
    buffer = Watched()
    played = heard(network(loss=0.2, jitter_s=0.2, doubled=0.05, speed=speed), buffer)
    assert buffer.deepest_ms <= 220
    words = [delay_ms(played, second) for second in range(10, SECONDS - 2)]
    assert all(late <= 240 for late, _ in words), words
    assert sum(match > 0.6 for _, match in words) >= 0.75 * len(words), "four fifths of each word are there"
    assert buffer.counters.resynchronised == 0


def test_jitter_alone_loses_next_to_nothing_once_the_delay_has_grown() -> None:
    buffer = Watched()
    played = heard(network(loss=0.0, jitter_s=0.2, doubled=0.0), buffer)
    assert buffer.counters.late < 0.03 * SECONDS * 50
    assert sum(delay_ms(played, second)[1] > 0.95 for second in range(10, SECONDS - 2)) >= 0.8 * (SECONDS - 12)


@pytest.mark.parametrize("speed", [1.0002, 0.9998])
def test_a_clock_that_is_off_never_adds_up(speed: float) -> None:
    """Four minutes: 48 ms of drift, which silence takes up frame by frame."""
    minutes = 4
    frames = minutes * 60 * 50
    speech = [babble(0.6, seed=7), bytes(12_800)]
    buffer = Watched()
    position = played = 0
    next_at, pcm = 0.0, b"".join(speech)
    now = 0.006
    while position < frames:
        while next_at <= now and position < frames:
            start = position % 50 * 640
            buffer.put(1, position * 160, pcm[start : start + 640], next_at)
            position += 1
            next_at = position * 0.02 / speed
        played += buffer.pull(now) is not None
        now += 0.02
    assert buffer.deepest_ms <= 60
    assert buffer.counters.late == buffer.counters.overflowed == buffer.counters.resynchronised == 0
    moved = buffer.counters.dropped if speed > 1 else buffer.counters.inserted
    assert 1 <= moved <= 4
    assert abs(played - frames) <= 4


def test_a_new_source_in_the_middle_of_the_noise_is_followed() -> None:
    first = network(loss=0.2, jitter_s=0.2, doubled=0.05)
    second = network(loss=0.2, jitter_s=0.2, doubled=0.05, ssrc=2, seed=6)
    switch = 20.0
    arrivals = [packet for packet in first if packet.at < switch] + [packet for packet in second if packet.at >= switch]
    buffer = Watched()
    played = heard(arrivals, buffer)
    assert buffer.counters.resynchronised == 1
    assert buffer.deepest_ms <= 220
    after = [delay_ms(played, second)[1] for second in range(26, SECONDS - 2)]
    assert sum(match > 0.6 for match in after) >= 0.8 * len(after)
