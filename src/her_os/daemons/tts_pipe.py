"""PCM on its way from the synthesis thread to one HTTP response.

Writing never blocks: the thread asks `buffered` before it begins another piece, so the pipe holds at most the
limit it looks at plus one piece, and a cancel has no blocked writer to break.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

TAKE_BYTES = 32_768


class PcmPipe:
    """`put`, `end` and `buffered` from any thread; `take` on the event loop; `drop` from either."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_taken: Callable[[], None]) -> None:
        self._loop, self._on_taken = loop, on_taken
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._ended = False
        self._failure: Exception | None = None
        self._readable = asyncio.Event()

    @property
    def buffered(self) -> int:
        """Bytes waiting for the reader."""
        return self._buffered

    def put(self, pcm: bytes) -> None:
        """Append audio. After the end it is thrown away."""
        with self._lock:
            if self._ended:
                return
            self._chunks.append(pcm)
            self._buffered += len(pcm)
            wake = len(self._chunks) == 1
        if wake:
            self._loop.call_soon_threadsafe(self._readable.set)

    def end(self, failure: Exception | None = None) -> None:
        """Nothing follows; the reader gets what is buffered, then the end or `failure`. The first end counts."""
        self._finish(failure, keep=True)

    def drop(self, failure: Exception) -> None:
        """Throw away what is buffered; the reader gets `failure` at once, even after an `end`."""
        self._finish(failure, keep=False)

    def _finish(self, failure: Exception | None, *, keep: bool) -> None:
        with self._lock:
            if not keep:
                self._chunks.clear()
                self._buffered = 0
                self._failure = failure
            elif not self._ended:
                self._failure = failure
            self._ended = True
        self._loop.call_soon_threadsafe(self._readable.set)

    async def take(self) -> bytes:
        """The next audio, at most about `TAKE_BYTES`; empty at the end. Raises the failure it ended with."""
        while (pcm := self._take_now()) is None:
            await self._readable.wait()
        if pcm:
            self._on_taken()
        return pcm

    def _take_now(self) -> bytes | None:
        with self._lock:
            taken: list[bytes] = []
            size = 0
            while self._chunks and size < TAKE_BYTES:
                taken.append(self._chunks.popleft())
                size += len(taken[-1])
            self._buffered -= size
            if taken:
                return b"".join(taken)
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._readable.clear()
            return None
