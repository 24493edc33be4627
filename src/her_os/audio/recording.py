"""Records a call, caller left and assistant right; playable even if the process is killed in the middle."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path

import numpy as np

from her_os.audio.pcm import samples
from her_os.audio.wav_file import GrowingWav
from her_os.contracts.audio import CONVERSATION_RATE

logger = logging.getLogger(__name__)

_WAITING_FRAMES = 1_500
"""30 s: what a stuck disk may hold up before frames are lost from the recording (never from the call)."""

_WRITE_S = 0.25
_SETTLE_EVERY = 4
"""Writes: once a second."""


class StereoRecorder:
    """A `FrameTap`. The media thread appends to a bounded queue, a thread of its own writes.

    The folder is made where missing. Raises OSError when the file cannot be made; a disk that fails later ends the
    recording with a log line, not the call.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._wav = GrowingWav(path, channels=2, sample_rate=CONVERSATION_RATE)
        self._frames: deque[tuple[bytes, bytes]] = deque()
        self.lost_frames = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"record-{path.stem}", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        return self._wav.path

    def on_tick(self, caller_pcm: bytes, assistant_pcm: bytes) -> None:
        """20 ms of each side. MEDIA THREAD."""
        if len(self._frames) >= _WAITING_FRAMES:
            self.lost_frames += 1
            return
        self._frames.append((caller_pcm, assistant_pcm))

    def close(self) -> None:
        """Write what is left and close the file; blocks for that long. Idempotent."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            count = 0
            while not self._closing.wait(_WRITE_S):
                self._drain()
                count += 1
                if count % _SETTLE_EVERY == 0:
                    self._wav.settle()
            self._drain()
        except OSError:
            logger.exception("the recording %s ends here", self.path)
        finally:
            self._close_file()

    def _close_file(self) -> None:
        try:
            self._wav.close()
        except OSError:
            logger.exception("the recording %s may be cut short", self.path)

    def _drain(self) -> None:
        waiting = [self._frames.popleft() for _ in range(len(self._frames))]
        if waiting:
            left = samples(b"".join(caller for caller, _ in waiting))
            right = samples(b"".join(assistant for _, assistant in waiting))
            self._wav.write(np.column_stack((left, right)).tobytes())
