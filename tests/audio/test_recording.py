"""Call recordings: content, privacy, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np

from her_os.audio.recording import StereoRecorder
from her_os.audio.wav_file import GrowingWav

CALLER, ASSISTANT = b"\x01\x00" * 320, b"\x02\x00" * 320


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 16_000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def test_caller_is_left_and_assistant_right(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "calls" / "one.wav")
    for _ in range(10):
        recorder.on_tick(CALLER, ASSISTANT)
    recorder.close()
    recorder.close()
    stereo = read(recorder.path)
    assert stereo.shape == (3_200, 2)
    assert (stereo == [1, 2]).all()
    assert recorder.path.stat().st_mode & 0o777 == 0o600
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("record-")]


def test_a_stuck_disk_costs_frames_of_the_recording_only(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "one.wav")
    recorder.close()
    for _ in range(2_000):
        recorder.on_tick(CALLER, ASSISTANT)
    assert recorder.lost_frames == 500


def test_a_killed_process_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    program = (
        "import sys, pathlib\n"
        "from her_os.audio.wav_file import GrowingWav\n"
        "wav = GrowingWav(pathlib.Path(sys.argv[1]), channels=2, sample_rate=16000)\n"
        "wav.write(bytes([1, 0, 2, 0]) * 16000)\n"
        "wav.settle()\n"
        "wav.write(bytes([3, 0, 4, 0]) * 100)\n"
        "print('written', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    stereo = read(path)
    assert stereo.shape == (16_000, 2)
    assert (stereo == [1, 2]).all()


def test_the_sizes_are_right_from_the_first_byte(tmp_path: Path) -> None:
    wav = GrowingWav(tmp_path / "empty.wav", channels=2, sample_rate=16_000)
    assert read(wav.path).shape == (0, 2)
    wav.write(bytes(400))
    wav.close()
    assert read(wav.path).shape == (100, 2)
