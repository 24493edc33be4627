"""Files in place of a microphone and a loudspeaker: for tests, benchmarks, and a machine without a sound card.

The microphone is a WAV file (played once, then silence) or a FIFO of raw int16 16 kHz PCM (silence while it is empty);
both keep the pace of a real one. The loudspeaker is a WAV file that grows.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from her_os.audio.sound_file import probe, read_channel
from her_os.audio.wav_file import GrowingWav
from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_MS
from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.room_sound import PullSamples, TakeFrame

_SILENCE = bytes(FRAME_BYTES)
_SETTLE_EVERY = 25
Read = Callable[[], bytes]
"""The next 20 ms."""


class FileSound:
    """Implements RoomSound. `microphone` or `speaker` may be None: silence, or nobody listens. Raises ConfigError."""

    def __init__(self, microphone: Path | None, speaker: Path | None, take: TakeFrame, pull: PullSamples) -> None:
        self.description = f"microphone {microphone or 'none'}, loudspeaker {speaker or 'none'}"
        self._fifo: _Fifo | None = None
        self._read = self._reader(microphone)
        self._wav = _writer(speaker)
        self._take, self._pull = take, pull
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="room-files", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        count = 0
        try:
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due += FRAME_MS / 1000
                self._take(self._read(), time.monotonic())
                played = self._pull(FRAME_BYTES)
                if self._wav is not None:
                    self._wav.write(played)
                    count += 1
                    if count % _SETTLE_EVERY == 0:
                        self._wav.settle()
        finally:
            if self._wav is not None:
                self._wav.close()
            if self._fifo is not None:
                self._fifo.close()

    def _reader(self, path: Path | None) -> Read:
        if path is None:
            return lambda: _SILENCE
        try:
            if not stat.S_ISFIFO(path.stat().st_mode):
                return _wav_reader(path)
            self._fifo = _Fifo(path)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}; expected a WAV file or a FIFO", field="wake.microphone"
            ) from error
        return self._fifo.read


def _wav_reader(path: Path) -> Read:
    try:
        whole = memoryview(b"".join(read_channel(probe(path), None)))
    except RecognitionError as error:
        raise ConfigError(error.message, field="wake.microphone") from error
    place = iter(range(0, len(whole), FRAME_BYTES))

    def read() -> bytes:
        at = next(place, len(whole))
        return bytes(whole[at : at + FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")

    return read


class _Fifo:
    """Opened for both ways, so that a writer who goes away is no end."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
        self._half = b""

    def close(self) -> None:
        self._file.close()

    def read(self) -> bytes:
        try:
            self._half += self._file.read(FRAME_BYTES - len(self._half)) or b""
        except BlockingIOError:
            return _SILENCE
        if len(self._half) < FRAME_BYTES:
            return _SILENCE
        frame, self._half = self._half, b""
        return frame


def _writer(path: Path | None) -> GrowingWav | None:
    if path is None:
        return None
    try:
        return GrowingWav(path, channels=1, sample_rate=CONVERSATION_RATE)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", field="wake.speaker") from error
