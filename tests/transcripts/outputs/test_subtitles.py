"""SRT and VTT are read back by a parser nobody here wrote (webvtt-py) and by the letter of the formats."""

from __future__ import annotations

import html
import io
import re

import pytest
import webvtt
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs import srt, vtt
from her_os.transcripts.outputs.words import MAX_CUE_CHARS, MAX_CUE_MS, cues, names, one_line
from tests.transcripts.outputs.samples import AWKWARD, PLAIN, segment, transcript, transcripts

SRT_BLOCK = re.compile(r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n([^\n\r]+)\n")


def milliseconds(stamp: str) -> int:
    hours, minutes, seconds = re.split("[:]", stamp.replace(",", ".").replace(".", ":", 0))
    whole, _, part = seconds.partition(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1000 + int(part)


def check_srt(text: str, of: Transcript) -> None:
    blocks = text.split("\n\n") if text else []
    expected = list(cues(of))
    assert len(blocks) == len(expected)
    for number, (block, cue) in enumerate(zip(blocks, expected, strict=True), 1):
        match = SRT_BLOCK.fullmatch(block if block.endswith("\n") else block + "\n")
        assert match, block
        assert (int(match[1]), milliseconds(match[2]), milliseconds(match[3])) == (number, cue.start_ms, cue.end_ms)
        assert not set("<>{}") & set(match[4])


@hypothesis_settings(max_examples=150, deadline=None)
@given(transcripts())
def test_any_transcript_is_srt(made: Transcript) -> None:
    text = srt.render(made, Summary())
    check_srt(text, made)
    if text:
        read = list(webvtt.from_buffer(io.StringIO(text), format="srt"))
        assert [(c.start_in_seconds, c.end_in_seconds) for c in read] == [
            (c.start_ms // 1000, c.end_ms // 1000) for c in cues(made)
        ]


@hypothesis_settings(max_examples=150, deadline=None)
@given(transcripts())
def test_any_transcript_is_vtt_and_says_the_same(made: Transcript) -> None:
    text = vtt.render(made, Summary())
    read = list(webvtt.from_buffer(io.StringIO(text), format="vtt"))
    expected = list(cues(made))
    assert text.count("-->") == len(read) == len(expected)
    for cue, wanted in zip(read, expected, strict=True):
        speaker, said = re.fullmatch(r"<v ([^>]*)>(.*)</v>", cue.raw_text).groups()  # type: ignore[union-attr]
        assert html.unescape(speaker) == html.unescape(html.escape(names(made).get(wanted.speaker, wanted.speaker)))
        assert said == vtt.escape(wanted.text)


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_words_stay_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


def test_a_plain_call_reads_like_one() -> None:
    assert srt.render(PLAIN, Summary()).splitlines()[:3] == [
        "1",
        "00:00:01,000 --> 00:00:03,000",
        "Alice: Please call the dentist tomorrow",
    ]
    assert "<v her>The dentist opens at nine</v>" in vtt.render(PLAIN, Summary())


def test_a_long_segment_is_cut_between_words_and_no_word_is_lost() -> None:
    words = " ".join(f"word{i}" for i in range(80))
    pieces = list(cues(transcript(segment("caller", 500, words))))
    assert " ".join(piece.text for piece in pieces) == words
    assert all(p.end_ms - p.start_ms <= MAX_CUE_MS and len(p.text) <= MAX_CUE_CHARS for p in pieces)


def test_nobody_speaks() -> None:
    assert srt.render(transcript(), Summary()) == ""
    assert vtt.render(transcript(), Summary()) == "WEBVTT\n"
