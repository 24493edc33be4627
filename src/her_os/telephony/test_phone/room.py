"""The microphone and loudspeaker of this computer on a test phone's call, by the optional package `sounddevice`."""

from __future__ import annotations

import importlib
import threading
from collections import deque
from typing import Any

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_SAMPLES, InboundFrame
from her_os.contracts.errors import ConfigError
from her_os.telephony.test_phone.phone import TestPhone

_WAITING_FRAMES = 10


class RoomAudio:
    """Open after `dial`, close before the call ends. Raises ConfigError where there is no sound."""

    def __init__(self, phone: TestPhone) -> None:
        try:
            sounddevice: Any = importlib.import_module("sounddevice")
        except (ImportError, OSError) as error:
            raise ConfigError(
                "--microphone needs the package sounddevice and the library PortAudio: "
                f"`uv pip install sounddevice`, `apt install libportaudio2` ({error})"
            ) from error
        self._heard: deque[bytes] = deque(maxlen=_WAITING_FRAMES)
        self._speak = phone.microphone()
        self._lock = threading.Lock()
        phone.on_frame_hook = self._hear
        try:
            self._stream: Any = sounddevice.RawStream(
                samplerate=CONVERSATION_RATE,
                blocksize=FRAME_SAMPLES,
                channels=1,
                dtype="int16",
                latency="low",
                callback=self._callback,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise ConfigError(f"no microphone or loudspeaker can be opened: {error}") from error

    def close(self) -> None:
        """Idempotent."""
        self._stream.stop()
        self._stream.close()

    def _hear(self, frame: InboundFrame) -> None:
        with self._lock:
            self._heard.append(frame.pcm)

    def _callback(self, recorded: Any, played: Any, frames: int, times: Any, status: Any) -> None:
        self._speak(bytes(recorded))
        with self._lock:
            pcm = self._heard.popleft() if self._heard else b""
        played[:] = pcm[: 2 * frames].ljust(2 * frames, b"\0") if len(pcm) <= FRAME_BYTES else bytes(2 * frames)
