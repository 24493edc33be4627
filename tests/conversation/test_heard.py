"""What the caller heard of a chunk, against an aligner's word times on the same audio."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.audio import WordMark
from her_os.conversation.heard import SpokenChunk, samples_heard
from tests.e2e.voices import speak
from tests.e2e.word_times import word_ends

SENTENCES = (
    "In a quiet garden lived a seed that was afraid of the dark.",
    "Hello, this is her, how can I help you today?",
    "Once upon a time there was a very small lamp in a house by the sea, and it was happy.",
    "I can set timers, tell you the time and the date, do sums, and find people in your contacts.",
)


@pytest.mark.parametrize("text", SENTENCES)
async def test_interpolation_is_within_a_word_or_two_of_an_aligner(text: str):
    pcm = await speak(text, "rms")
    chunk = SpokenChunk(text, complete=True)
    chunk.add(pcm)
    ends = word_ends(text, pcm)
    assert len(ends) == len(re.findall(r"\S+", text))
    errors: list[int] = []
    rng = random.Random(text)
    for _ in range(60):
        cut = rng.randrange(len(pcm) // 2)
        heard = text[: chunk.heard_characters(cut)]
        errors.append(len(heard.split()) - sum(end <= cut for end in ends))
    assert max(map(abs, errors)) <= 2
    assert sum(abs(error) <= 1 for error in errors) >= 0.9 * len(errors)


@given(st.integers(0, 30_000))
def test_with_marks_it_is_exact(cut: int):
    chunk = SpokenChunk("one two three", marks=(WordMark(3, 5000), WordMark(7, 11_000), WordMark(13, 20_000)))
    chunk.add(bytes(48_000))
    assert chunk.heard_characters(cut) == (0 if cut < 5000 else 3 if cut < 11_000 else 7 if cut < 20_000 else 13)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=20), st.integers(0, 12_000))
def test_the_pieces_in_which_audio_came_do_not_matter(sizes: list[int], cut: int):
    whole, pieces = SpokenChunk("some words to say here"), SpokenChunk("some words to say here")
    pcm = b"\x00\x20" * sum(sizes)
    whole.add(pcm)
    for size in sizes:
        pieces.add(b"\x00\x20" * size)
    assert whole.heard_characters(cut) == pieces.heard_characters(cut)
    assert (whole.samples, pieces.samples) == (sum(sizes), sum(sizes))


def test_half_the_round_trip_is_still_on_its_way():
    assert samples_heard(16_000, 200) == 14_400
    assert samples_heard(100, 200) == 0
