"""The room's sound: a queue that drops the oldest, a playback that counts as the line does, files for devices."""

from __future__ import annotations

import os
import time
import wave
from pathlib import Path

import numpy as np

from her_os.audio.frame_queue import MOST, FrameQueue
from her_os.audio.playback import MOST_WAITING_MS, Playback
from her_os.audio.sound_files import FileSound
from her_os.contracts.audio import FRAME_BYTES

FRAME = b"\1\0" * 320


def test_a_queue_that_nobody_empties_drops_the_oldest_and_counts() -> None:
    queue = FrameQueue()
    for number in range(MOST + 3):
        queue.put(number.to_bytes(2, "little"), float(number))
    assert (len(queue), queue.dropped, queue.taken_in) == (MOST, 3, MOST + 3)
    assert queue.get(0) == (b"\3\0", 3.0)


def test_playback_counts_what_was_played_and_what_was_thrown_away() -> None:
    marks: list[tuple[str, int]] = []
    playback = Playback(lambda name, position: marks.append((name, position)))
    playback.mark("at once")
    playback.write(FRAME * 2)
    playback.mark("after both")
    assert playback.pull(FRAME_BYTES) == FRAME
    assert marks == [("at once", 0)]
    playback.interject(b"\5\0" * 160)
    assert playback.pull(FRAME_BYTES) == b"\5\0" * 160 + FRAME[320:]
    assert playback.pull(FRAME_BYTES) == bytes(FRAME_BYTES)
    assert marks[1:] == [("after both", 640)]
    playback.write(FRAME * 3)
    playback.pull(FRAME_BYTES)
    assert playback.flush() == 960, "that much was played"
    assert playback.position == 1_600, "and the count goes on behind what was thrown away"
    assert playback.pull(FRAME_BYTES) == bytes(FRAME_BYTES)


def test_a_loudspeaker_that_is_too_slow_loses_silence_only() -> None:
    playback = Playback(lambda _name, _position: None)
    waiting = MOST_WAITING_MS // 20 + 1
    for _ in range(waiting):
        playback.write(FRAME)
    playback.write(bytes(FRAME_BYTES))
    playback.write(FRAME)
    heard = [playback.pull(FRAME_BYTES) for _ in range(waiting + 1)]
    assert heard == [FRAME] * (waiting + 1)


def test_a_fifo_is_a_microphone_and_a_wav_file_a_loudspeaker(tmp_path: Path) -> None:
    microphone, speaker = tmp_path / "microphone", tmp_path / "speaker.wav"
    os.mkfifo(microphone)
    heard: list[bytes] = []
    sound = FileSound(microphone, speaker, lambda pcm, _now: heard.append(pcm), lambda size: FRAME[:size])
    said = np.arange(1, 961, dtype=np.int16).tobytes()
    microphone.write_bytes(said)
    until = time.monotonic() + 10
    while b"".join(heard).strip(b"\0") != said.strip(b"\0") and time.monotonic() < until:
        time.sleep(0.01)
    sound.close()
    assert said in b"".join(heard)
    assert not sound.alive()
    with wave.open(str(speaker)) as file:
        assert file.getframerate() == 16_000
        assert set(file.readframes(320)) == {0, 1}
