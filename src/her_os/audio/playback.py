"""What a line sent to be played, on its way to a loudspeaker that asks for it bit by bit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

MOST_WAITING_MS = 240
"""More than this is an echo of a clock that runs slower than the line's: silence is left out until it is less."""
_BYTES_A_MS = 32


class Playback:
    """One room's loudspeaker. `write`, `mark`, `flush` from the event loop, `pull` from the sound's thread.

    `position` counts as the line does (contracts.line_socket.Played): the samples of the line that were played or
    thrown away. `interject` plays something of our own, which the line knows nothing of.
    `on_mark(name, position)` is called on the sound's thread.
    """

    def __init__(self, on_mark: Callable[[str, int], None]) -> None:
        self._on_mark = on_mark
        self._lock = threading.Lock()
        self._waiting: deque[bytes | str] = deque()
        self._own = bytearray()
        self._bytes = 0
        self.position = 0

    def begin(self) -> None:
        """A new line: its samples count from zero, and nothing of an older one is played."""
        with self._lock:
            self._waiting.clear()
            self._bytes = self.position = 0

    def write(self, pcm: bytes) -> None:
        """Play 16 kHz PCM after what waits."""
        with self._lock:
            if self._bytes > MOST_WAITING_MS * _BYTES_A_MS and not any(pcm):
                self.position += len(pcm) // 2
                return
            self._waiting.append(pcm)
            self._bytes += len(pcm)

    def interject(self, pcm: bytes) -> None:
        """Play it now, over whatever the line says."""
        with self._lock:
            self._own += pcm

    def mark(self, name: str) -> None:
        """Tell `on_mark` when everything written so far has been played."""
        with self._lock:
            if self._waiting:
                self._waiting.append(name)
                return
            position = self.position
        self._on_mark(name, position)

    def flush(self) -> int:
        """Throw away what waits. Returns the position up to which was really played."""
        with self._lock:
            played = self.position
            self.position += self._bytes // 2
            self._waiting.clear()
            self._bytes = 0
            return played

    def pull(self, size: int) -> bytes:
        """`size` bytes to play now."""
        passed: list[tuple[str, int]] = []
        with self._lock:
            out = self._of_the_line(size, passed)
            own, self._own = bytes(self._own[:size]), self._own[size:]
        for name, position in passed:
            self._on_mark(name, position)
        return own + out[len(own) :] if own else out

    def _of_the_line(self, size: int, passed: list[tuple[str, int]]) -> bytes:
        out = bytearray()
        while self._waiting:
            item = self._waiting[0]
            if isinstance(item, str):
                passed.append((item, self.position))
                self._waiting.popleft()
            elif len(out) == size:
                break
            else:
                part = item[: size - len(out)]
                out += part
                self._bytes -= len(part)
                self.position += len(part) // 2
                if len(part) < len(item):
                    self._waiting[0] = item[len(part) :]
                else:
                    self._waiting.popleft()
        return bytes(out.ljust(size, b"\0"))
