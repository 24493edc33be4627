"""Pieces between which a synthesis can be stopped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.engines.tts_pieces import MAX_PIECE_CHARS, cut_pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" \n ", []),
        ("Hello.", ["Hello."]),
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("Dr. Smith came at 5 p.m. on Monday.", ["Dr. Smith came at 5 p.m. on Monday."]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("One line\nanother", ["One line", "another"]),
    ],
)
def test_sentences_are_pieces(text: str, pieces: list[str]) -> None:
    assert cut_pieces(text) == pieces


def test_a_long_sentence_is_cut_at_a_clause_else_at_a_space_else_anywhere() -> None:
    clause = "word " * 30 + "end, " + "word " * 30
    assert cut_pieces(clause)[0].endswith("end,")
    assert all(piece.split()[-1] == "word" for piece in cut_pieces("word " * 100))
    assert max(len(piece) for piece in cut_pieces("x" * 450)) < 60


@given(st.text(alphabet='aB1 .,!?;"\n\u2014', max_size=600))
def test_nothing_is_lost_and_nothing_is_too_long(text: str) -> None:
    pieces = cut_pieces(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece and len(piece) <= MAX_PIECE_CHARS for piece in pieces)


@pytest.mark.parametrize("text", ["9" * 200, "$" * 200, "1.5 " * 50])
def test_what_is_read_as_many_words_counts_as_many(text: str) -> None:
    """Two hundred digits held flite's text analysis for a second."""
    assert max(len(piece) for piece in cut_pieces(text)) <= 60
