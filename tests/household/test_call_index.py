"""A word finds the call, the speaker and the second; what is removed is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from her_os.household.call_index import CallIndex
from tests.transcripts.outputs.samples import PLAIN, segment, transcript


@pytest.fixture
def index(tmp_path: Path) -> CallIndex:
    made = CallIndex(tmp_path / "state" / "calls.sqlite3")
    made.put(PLAIN)
    return made


def test_a_word_finds_call_speaker_and_second(index: CallIndex) -> None:
    hits = index.search("dentist")
    assert [(hit.call_id, hit.speaker, hit.at_ms) for hit in hits] == [
        ("call-1", "Alice", 2200),
        ("call-1", "her", 4600),
    ]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("DENTISTS", 2),
        ("dentist tomorrow", 1),
        ('"the dentist"', 2),
        ('"dentist the"', 0),
        ("tomor*", 1),
        ("nobody", 0),
        ("", 0),
        ("*", 0),
        ('dentist OR" (nine', 0),
        ("NEAR(", 0),
        ("text:dentist", 0),
    ],
)
def test_how_words_are_looked_for(index: CallIndex, query: str, hits: int) -> None:
    assert len(index.search(query)) == hits


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet='a"*()-:^+ NOTARD{}\x00\u00e9', max_size=20))
def test_nothing_typed_is_an_error(index: CallIndex, query: str) -> None:
    index.search(query)


def test_a_transcript_made_again_replaces_the_first(index: CallIndex) -> None:
    index.put(transcript(segment("caller", 0, "the plumber")))
    assert not index.search("dentist")
    assert len(index.search("plumber")) == 1


def test_accents_do_not_matter_and_words_without_times_begin_with_their_segment(index: CallIndex) -> None:
    index.put(transcript(segment("caller", 700, "caf\u00e9"), source="/b.wav", call_id=""))
    assert [(hit.at_ms, hit.call_id) for hit in index.search("cafe")] == [(700, "")]


def test_what_is_removed_is_in_no_file_of_the_database(index: CallIndex, tmp_path: Path) -> None:
    index.put(transcript(segment("caller", 0, "xylophone secret"), source="/b.wav"))
    index.remove("/b.wav")
    assert not index.search("xylophone")
    assert not any(b"xylophon" in file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert len(index.search("dentist")) == 2


def test_a_cleared_index_finds_nothing(index: CallIndex) -> None:
    index.clear()
    assert not index.search("dentist")
