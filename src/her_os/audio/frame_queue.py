"""Frames from a thread that must never wait to one that may be late: bounded, and the oldest gives way."""

from __future__ import annotations

import threading
from collections import deque

MOST = 50
"""Frames of 20 ms: a second."""


class FrameQueue:
    """`put` from the thread of the sound, `get` from the one that handles frames."""

    def __init__(self, most: int = MOST) -> None:
        self._frames: deque[tuple[bytes, float]] = deque(maxlen=most)
        self._ready = threading.Condition()
        self._most = most
        self.taken_in = self.dropped = 0

    def put(self, pcm: bytes, now: float) -> None:
        """Take a frame that came at `now`. Where nobody kept up, the oldest is dropped and counted."""
        with self._ready:
            self.dropped += len(self._frames) == self._most
            self._frames.append((pcm, now))
            self.taken_in += 1
            self._ready.notify()

    def get(self, timeout_s: float) -> tuple[bytes, float] | None:
        """The oldest frame and when it came; None when none comes in time."""
        with self._ready:
            if not self._frames:
                self._ready.wait(timeout_s)
            return self._frames.popleft() if self._frames else None

    def clear(self) -> None:
        """Forget what waits; it is not counted as dropped."""
        with self._ready:
            self._frames.clear()

    def __len__(self) -> int:
        return len(self._frames)
