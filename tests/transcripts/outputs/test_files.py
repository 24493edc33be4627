"""JSON, minutes, text; and that files are whole, ours, and never somebody else's."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

import jsonschema
import mistune
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs import json_file, minutes, text
from her_os.transcripts.outputs.atomic import write_atomically
from her_os.transcripts.outputs.words import one_line
from her_os.transcripts.outputs.writer import SUFFIXES, FileWriter
from her_os.transcripts.process_identity import own_identity
from tests.transcripts.outputs.samples import AWKWARD, PLAIN, SUMMARY, segment, transcript, transcripts

ROOT = Path(__file__).resolve().parents[3]


@hypothesis_settings(max_examples=100, deadline=None)
@given(transcripts())
def test_json_reads_back_as_what_was_written(made: Transcript) -> None:
    assert json_file.parse(json_file.render(made, SUMMARY).encode()) == json_file.TranscriptFile(
        transcript=made, summary=SUMMARY
    )


def test_an_independent_validator_accepts_what_is_written_and_nothing_else() -> None:
    schema = json.loads((ROOT / "docs" / "transcript.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for made in (PLAIN, transcript(), *(transcript(segment("caller", 0, awkward)) for awkward in AWKWARD)):
        validator.validate(json.loads(json_file.render(made, SUMMARY)))
        validator.validate(json.loads(json_file.render(made, Summary(warning="no summary"))))
    good = json.loads(json_file.render(PLAIN, SUMMARY))
    for spoil in ({"transcript": 5}, {"summary": {**good["summary"], "kind": "invented"}}, {"schema_version": "one"}):
        assert not validator.is_valid({**good, **spoil})


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"schema_version":99'])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no transcript of her-os"):
        json_file.parse(content)


def test_a_later_schema_is_refused() -> None:
    later = msgspec.json.encode(json_file.TranscriptFile(schema_version=99, transcript=PLAIN))
    with pytest.raises(ValueError, match="schema version 99"):
        json_file.parse(later)


def test_the_document_describes_every_field_and_holds_the_schema_in_force() -> None:
    document = (ROOT / "docs" / "transcript-schema.md").read_text()
    schema = json_file.json_schema()
    for definition in schema["$defs"].values():
        for name in definition["properties"]:
            assert f"`{name}`" in document, name
    shipped = (ROOT / "docs" / "transcript.schema.json").read_bytes()
    assert msgspec.json.decode(shipped) == msgspec.json.decode(msgspec.json.encode(schema))


def words_of(node: Any) -> str:
    if isinstance(node, list):
        return "".join(words_of(child) for child in node)
    return node.get("raw", "") + words_of(node.get("children", []))


@pytest.mark.parametrize("awkward", AWKWARD)
def test_minutes_show_awkward_words_letter_by_letter(awkward: str) -> None:
    made = minutes.render(transcript(segment("caller", 12_300, awkward)), Summary(), zone=UTC)
    parse: Any = mistune.create_markdown(renderer=None, plugins=["table", "strikethrough", "url"])
    tree = parse(made)
    paragraph = tree[-1]
    assert paragraph["type"] == "paragraph"
    assert {child["type"] for child in paragraph["children"]} <= {"link", "text", "strong"}
    assert words_of(paragraph).endswith(one_line(awkward))
    assert "](a%20call.wav#t=12.3)" in made


def test_minutes_say_what_was_decided_and_how_they_were_made(tmp_path: Path) -> None:
    made = minutes.render(PLAIN, SUMMARY, folder=Path("/recordings/text"), zone=UTC)
    assert "- [0:01](../a%20call.wav#t=1.0) **Alice** Asked about the dentist" in made
    assert "- [ ] [0:01](../a%20call.wav#t=1.0) call the dentist, Alice, tomorrow" in made
    assert "> Sentences as they were said\\." in made
    assert "2023\\-11\\-14" not in made
    assert "2023-11-14 22:13" in made


def test_text_is_a_line_a_segment() -> None:
    assert text.render(PLAIN, Summary()).splitlines() == [
        "[0:01] Alice: Please call the dentist tomorrow",
        "[0:04] her: The dentist opens at nine",
    ]


def test_the_writer_writes_all_beside_the_recording_and_tells_the_index(tmp_path: Path) -> None:
    told: list[tuple[Transcript, tuple[Path, ...]]] = []
    made = transcript(*PLAIN.segments, source=str(tmp_path / 'it\'s "a" \U0001f600 call.wav'))
    files = FileWriter(index=lambda *all_of_it: told.append(all_of_it)).write(made, SUMMARY)
    assert {file.suffix for file in files} == set(SUFFIXES)
    assert all(file.stem == 'it\'s "a" \U0001f600 call' and file.read_text() for file in files)
    assert told == [(made, files)]
    assert FileWriter().write(made, SUMMARY) == files, "again: the same names"
    assert len(list(tmp_path.iterdir())) == len(SUFFIXES)


def test_nothing_of_others_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("my own notes")
    sources = [tmp_path / "talk.wav", tmp_path / "talk.mp3", tmp_path / "sub" / "talk.wav"]
    written = [
        FileWriter(tmp_path).write(transcript(*PLAIN.segments, source=str(source)), SUMMARY) for source in sources
    ]
    assert (tmp_path / "talk.txt").read_text() == "my own notes"
    assert len({file for files in written for file in files}) == 3 * len(SUFFIXES)
    assert re.fullmatch(r"talk-[0-9a-f]{12}\.json", written[2][0].name)


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_atomically(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_files_are_private_and_leftovers_of_a_kill_are_swept_by_the_next_writer(tmp_path: Path) -> None:
    made = transcript(*PLAIN.segments, source=str(tmp_path / "a.wav"))
    gone = subprocess.run([sys.executable, "-c", LEAVE_HALF_A_FILE, str(tmp_path)], check=False)
    assert gone.returncode == -signal.SIGKILL
    ours = tmp_path / f".her-os-{own_identity().replace(':', '_')}-0123.tmp"
    ours.write_text("another thread of ours is at it")
    assert len(list(tmp_path.glob(".her-os-*.tmp"))) == 2
    files = FileWriter(tmp_path).write(made, SUMMARY)
    assert set(tmp_path.iterdir()) == {ours, *files}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


LEAVE_HALF_A_FILE = """
import os, signal, sys
from pathlib import Path
from her_os.transcripts.outputs import atomic
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
atomic.write_atomically(Path(sys.argv[1], "a.json"), b"half")
"""
