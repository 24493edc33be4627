from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from her_os.clients.audio_history import AudioHistory


def audio(first: int, count: int) -> bytes:
    """Samples whose value is their position."""
    return np.arange(first, first + count, dtype=np.int16).tobytes()


def positions(pcm: bytes) -> list[int]:
    return np.frombuffer(pcm, dtype=np.int16).tolist()


def read_all(history: AudioHistory, position: int, most: int, before: int | None = None) -> list[int]:
    heard: list[int] = []
    while (block := history.read(position, most, before)) is not None:
        first, pcm = block
        assert positions(pcm)[0] == first
        assert len(pcm) <= 2 * most
        heard += positions(pcm)
        position = first + len(pcm) // 2
    return heard


@given(
    pushes=st.lists(st.tuples(st.integers(-30, 60), st.integers(0, 40)), max_size=30),
    position=st.integers(0, 400),
    most=st.integers(1, 50),
    before=st.none() | st.integers(0, 400),
)
def test_every_sample_comes_out_once_and_in_order(
    pushes: list[tuple[int, int]], position: int, most: int, before: int | None
):
    history = AudioHistory(10_000)
    held: list[int] = []
    end = 0
    for step, count in pushes:
        first = max(0, end + step)
        history.push(audio(first, count), first)
        fresh = [sample for sample in range(first, first + count) if not held or sample > held[-1]]
        held += fresh
        end = max(end, first + count)
    wanted = [sample for sample in held if sample >= position and (before is None or sample < before)]
    assert read_all(history, position, most, before) == wanted
    assert history.held_since(position) == sum(sample >= position for sample in held)


@given(st.lists(st.integers(1, 300), max_size=60))
def test_the_newest_samples_are_always_kept_and_memory_is_bounded(counts: list[int]):
    history = AudioHistory(400)
    total = 0
    for count in counts:
        history.push(audio(total, count), total)
        total += count
        kept = read_all(history, 0, 1000)
        assert kept[-400:] == list(range(max(0, total - 400), total))
        assert len(kept) <= 400 + 50 or total <= 450
