"""The silence that a synthesiser begins with, in pieces of any size."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.audio import WordMark
from her_os.conversation.spoken_reply import LeadingSilence

LOUD = struct.pack("<h", 4000)


@given(st.integers(0, 4000), st.lists(st.integers(1, 900), min_size=1, max_size=12))
def test_all_but_ten_milliseconds_are_cut_and_nothing_else(silent: int, sizes: list[int]):
    whole = b"\0\0" * silent + LOUD * 500
    cutter, kept, at = LeadingSilence(), b"", 0
    for size in [*sizes, len(whole)]:
        kept += cutter.cut(whole[2 * at : 2 * (at + size)])
        at += size
    assert kept == b"\0\0" * min(silent, 160) + LOUD * 500
    assert cutter.moved(WordMark(3, silent + 100)) == WordMark(3, min(silent, 160) + 100)


def test_a_later_chunk_keeps_its_pause():
    assert LeadingSilence(loud=True).cut(b"\0\0" * 300) == b"\0\0" * 300
