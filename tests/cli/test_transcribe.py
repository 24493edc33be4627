"""`her-os transcribe` and `her-os calls search` as an operator meets them: real processes, real speech."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.test_commands import ROOT, her_os

SPEECH = ROOT / "tests" / "data" / "speech"


def test_a_folder_becomes_transcripts_that_can_be_searched_and_is_done_once(tmp_path: Path) -> None:
    folder = tmp_path / "it's a \U0001f600 folder"
    folder.mkdir()
    shutil.copy(SPEECH / "what-time-is-it.wav", folder)
    (folder / "broken.wav").write_text("this is text")
    first = her_os("transcribe", str(folder), "--json")
    assert first.returncode == 1, first.stderr
    rows = {Path(row["source"]).name: row for row in map(json.loads, first.stdout.splitlines())}
    assert rows["broken.wav"]["status"] == "failed"
    assert rows["broken.wav"]["reason"]
    done = rows["what-time-is-it.wav"]
    assert done["status"] == "done"
    assert {Path(file).suffix for file in done["outputs"]} == {".json", ".srt", ".vtt", ".txt", ".md"}
    assert all(Path(file).stat().st_size for file in done["outputs"])
    found = her_os("calls", "search", "time", "--json")
    assert [hit["source"] for hit in json.loads(found.stdout)] == [str(folder / "what-time-is-it.wav")]
    Path(os.environ["HER_OS_STATE_DIR"], "call-index.sqlite3").unlink()
    assert her_os("calls", "search", "time").returncode == 1
    assert her_os("calls", "reindex").stdout == "1 transcripts indexed\n"
    assert "what-time-is-it.wav  0:0" in her_os("calls", "search", "TIME").stdout
    second = her_os("transcribe", str(folder / "what-time-is-it.wav"))
    assert second.returncode == 0
    assert second.stdout.startswith("skipped")


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    missing = her_os("transcribe", str(tmp_path / "nowhere"))
    assert (missing.returncode, missing.stderr) == (1, f"her-os: {tmp_path}/nowhere: there is no such file or folder\n")
    assert "no sound or video file in" in her_os("transcribe", str(tmp_path)).stderr


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(SPEECH / "what-time-is-it.wav", tmp_path / f"{number}.wav")
    command = [sys.executable, "-m", "her_os.cli", "transcribe", str(tmp_path), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    interrupted = [json.loads(line) for line in [*first, *rest.splitlines()] if line.strip()]
    assert process.returncode == 130, errors
    assert "the same command goes on from here" in errors
    finished = {row["source"] for row in interrupted}
    second = her_os("transcribe", str(tmp_path), "--json")
    assert second.returncode == 0, second.stderr
    rows = [json.loads(line) for line in second.stdout.splitlines()]
    assert {row["source"] for row in rows if row["status"] == "skipped"} == finished
    assert len(rows) == 3
