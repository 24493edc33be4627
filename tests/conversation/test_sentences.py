"""Cutting a reply into chunks while it streams, measured on a gold list and held to its promises on any text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.conversation.sentences import MAX_CHUNK_CHARS, SentenceChunk, SentenceCutter

GOLD = Path(__file__).with_name("gold_sentences.txt")


def gold_replies() -> list[list[str]]:
    text = "\n".join(line for line in GOLD.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return [reply.strip().split("\n") for reply in text.split("\n\n")]


def tokens(text: str, seed: int) -> list[str]:
    """Deltas of 1 to 7 characters, as a language model might send them."""
    chance = random.Random(seed)
    parts: list[str] = []
    while text:
        size = chance.randint(1, 7)
        parts.append(text[:size])
        text = text[size:]
    return parts


def cut(deltas: list[str], *, sentences_only: bool = False) -> list[SentenceChunk]:
    cutter = SentenceCutter()
    if sentences_only:
        cutter._first = False
    chunks = [chunk for delta in deltas for chunk in cutter.feed(delta)]
    return chunks + cutter.flush()


def ends(parts: list[str]) -> set[int]:
    """Where the parts end, counted in characters that are not spaces."""
    found: set[int] = set()
    at = 0
    for part in parts:
        at += len("".join(part.split()))
        found.add(at)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_on_the_gold_list(seed: int) -> None:
    right = given_ends = gold_ends = 0
    wrong: list[str] = []
    for reply in gold_replies():
        chunks = cut(tokens(" ".join(reply), seed), sentences_only=True)
        got, gold = ends([chunk.text for chunk in chunks]), ends(reply)
        right, given_ends, gold_ends = right + len(got & gold), given_ends + len(got), gold_ends + len(gold)
        if got != gold:
            wrong.append(" | ".join(chunk.text for chunk in chunks))
    precision, recall = right / given_ends, right / gold_ends
    assert gold_ends > 130
    assert precision >= 0.98, wrong
    assert recall >= 0.97, wrong


def test_the_gold_list_reads_the_same_whatever_the_deltas_are() -> None:
    for reply in gold_replies():
        text = " ".join(reply)
        whole = [chunk.text for chunk in cut([text])]
        assert [chunk.text for chunk in cut(list(text))] == whole
        assert [chunk.text for chunk in cut(tokens(text, 5))] == whole


@given(st.text(alphabet='aBc .,!?;:\n"(1-\u2014`\u2026', max_size=900), st.integers(0, 99))
def test_chunks_follow_each_other_without_a_gap(text: str, seed: int) -> None:
    chunks = cut(tokens(text, seed))
    at = 0
    for chunk in chunks:
        assert (chunk.start, chunk.text) == (at, text[chunk.start : chunk.end])
        assert chunk.text.strip()
        at = chunk.end
    assert text[at:].strip() == ""
    if "```" not in text:
        assert all(len(chunk.text.strip()) <= MAX_CHUNK_CHARS for chunk in chunks)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "Okay, I have set the timer for ten minutes, and I will ring.",
            "Okay, I have set the timer for ten minutes, ",
        ),
        ("Your timer for ten minutes is set, and it runs.", "Your timer for ten minutes is set, "),
        ("I have looked it up \u2014 it is closed today.", "I have looked it up \u2014 "),
        ("Here is what I found today: three shops.", "Here is what I found today: "),
        ("Yes, it is.", "Yes, it is."),
        ("Sure. I moved it.", "Sure. "),
        ("The party on January 5, 2026, was nice and we stayed.", "The party on January 5, 2026, "),
        ("They paid exactly $1,200, and left.", "They paid exactly $1,200, "),
        ("We took the one (the small, red one) and left.", "We took the one (the small, red one) and left."),
    ],
)
def test_the_first_chunk_comes_early_at_a_clause(text: str, first: str) -> None:
    assert cut(list(text))[0].text == first


def test_the_first_clause_is_out_as_soon_as_the_next_word_begins() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("Your timer for ten minutes is set,") == []
    assert cutter.feed(" ") == []
    assert cutter.feed("a") == [SentenceChunk("Your timer for ten minutes is set, ", 0, 35)]


def test_later_chunks_are_whole_sentences() -> None:
    text = "Sure. Your timer is set, and it runs for ten minutes, as you asked. Anything else?"
    assert [chunk.text for chunk in cut(list(text))] == [
        "Sure. ",
        "Your timer is set, and it runs for ten minutes, as you asked. ",
        "Anything else?",
    ]


def test_after_a_flush_offsets_go_on_and_the_next_chunk_is_early_again() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("Let me look. ") == []
    assert cutter.flush() == [SentenceChunk("Let me look. ", 0, 13)]
    chunks = cutter.feed("There are three shops in town, and one is open.")
    assert chunks == [SentenceChunk("There are three shops in town, ", 13, 44)]
    assert cutter.flush() == [SentenceChunk("and one is open.", 44, 60)]
    assert cutter.flush() == []


def test_lines_of_a_list_are_chunks_and_code_stays_in_one() -> None:
    text = "The list:\n1. Milk\n2. Eggs, a dozen\n\nThen:\n```py\nx = 1. Y\n\nprint(x)\n```\nDone."
    assert [chunk.text for chunk in cut(tokens(text, 1))] == [
        "The list:\n",
        "1. Milk\n",
        "2. Eggs, a dozen\n\n",
        "Then:\n",
        "```py\nx = 1. Y\n\nprint(x)\n```\n",
        "Done.",
    ]


def test_a_text_without_any_end_is_cut_between_words() -> None:
    chunks = cut(["word " * 200])
    assert all(chunk.text.endswith("word ") for chunk in chunks)
    assert len(chunks) == 4
