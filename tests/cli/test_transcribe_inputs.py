"""What a user is told of each bad input, by the command itself; and kill -9 over a batch."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from her_os.audio.sound_file import probe
from her_os.contracts.errors import RecognitionError
from scripts import bench_transcripts_real as real
from scripts.kill_transcripts import storm
from tests.cli.test_commands import ROOT, her_os

SAMPLE = ROOT / "tests" / "data" / "speech" / "what-time-is-it.wav"
OLD = (1_700_000_000, 1_700_000_000)


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)


def test_every_bad_input_has_its_message_and_the_good_ones_are_done(tmp_path: Path) -> None:
    folder, sound = tmp_path / "in", SAMPLE.read_bytes()
    folder.mkdir()
    (folder / "empty.wav").touch()
    (folder / "header only.wav").write_bytes(sound[:30])
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    write_wav(folder / "nothing.wav", b"")
    (folder / 'it\'s "cut" \U0001f600.wav').write_bytes(sound[: len(sound) * 3 // 4])
    for file in folder.iterdir():
        os.utime(file, OLD)
    growing = threading.Thread(target=write_slowly, args=(folder / "growing.wav", sound))
    (folder / "growing.wav").write_bytes(sound[:1000])
    growing.start()
    done = her_os("transcribe", str(folder), "--json", "-o", str(tmp_path / "out"))
    growing.join()
    assert done.returncode == 1
    rows = {Path(row["source"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert {name: (row["status"], row["reason"]) for name, row in rows.items() if row["status"] != "done"} == {
        "empty.wav": ("failed", "empty.wav is empty"),
        "header only.wav": ("failed", "header only.wav is cut off within its header"),
        "nothing.wav": ("failed", "nothing.wav holds no sound: it is 0 seconds long"),
        "text.wav": ("failed", rows["text.wav"]["reason"]),
    }
    assert rows["text.wav"]["reason"].startswith(
        "text.wav is not a sound file that can be read" if shutil.which("ffprobe") else "ffprobe is needed"
    )
    with wave.open(str(SAMPLE)) as file:
        whole_ms = file.getnframes() * 1000 // file.getframerate()
    assert rows["growing.wav"]["transcript"]["duration_ms"] == whole_ms, "it was waited for"
    cut = rows['it\'s "cut" \U0001f600.wav']
    assert cut["status"] == "done"
    assert cut["transcript"]["duration_ms"] < whole_ms
    assert {Path(output).stem for output in cut["outputs"]} == {'it\'s "cut" \U0001f600'}


def write_slowly(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        for at in range(0, len(content), len(content) // 8):
            file.seek(at)
            file.write(content[at : at + len(content) // 8])
            file.flush()
            time.sleep(0.2)
        file.write(content[file.tell() :])


@pytest.mark.skipif(not real.TEXTS.exists() or not real.SOUNDS.exists(), reason="Asterisk's sounds are not installed")
def test_real_speech_goes_through_the_command_and_others_read_what_it_writes(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "in").mkdir()
    said: dict[str, list[str]] = {}
    for source, text in real.choose(2):
        shutil.copy(source, tmp_path / "in")
        os.utime(tmp_path / "in" / source.name, OLD)
        said[source.name] = text.split()
    done = her_os("transcribe", str(tmp_path / "in"), "--json", "-o", str(tmp_path / "out"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["done"] * len(said), done.stdout
    wrong = 0
    for row in rows:
        real.check_outputs(row)
        heard = " ".join(segment["text"] for segment in row["transcript"]["segments"]).split()
        wrong += real.word_distance(said[Path(row["source"]).name], heard)
    total = sum(map(len, said.values()))
    record_property("word error rate", wrong / total)
    assert wrong < total, "more wrong than was said"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    shutil.copy(SAMPLE, path)
    path.chmod(0)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if os.getuid() == 0:
            os.setresuid(65_534, 65_534, 65_534)
        try:
            probe(path)
        except RecognitionError as error:
            os.write(writing, error.message.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as told:
        assert told.read() == "secret.wav cannot be read: Permission denied"


def can_mount() -> bool:
    tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(shutil.which("unshare") is None or not can_mount(), reason="no file system can be mounted here")
def test_a_full_disk_is_the_reason_and_leaves_no_half_file(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    script = 'mount -t tmpfs -o size=8k none "$0" && "$@"; status=$?; ls -A "$0" >&2; exit $status'
    command = [sys.executable, "-m", "her_os.cli", "transcribe", str(SAMPLE), "--json", "-o", str(output)]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, str(output), *command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["status"], row["code"]) == ("failed", "output")
    assert row["reason"].endswith("No space left on device")
    assert ".tmp" not in done.stderr
    again = her_os("transcribe", str(SAMPLE), "--json", "-o", str(output))
    assert json.loads(again.stdout)["status"] == "done", "with room it goes on"


@pytest.mark.soak
def test_kill_9_of_main_process_and_workers_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    tally = storm(tmp_path, files=2, kills=1, dice=random.Random(1))
    assert tally.wrong == []
    assert tally.failed == []
    assert len(tally.kills) == 2
