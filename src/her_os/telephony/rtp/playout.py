"""The queue of the assistant's voice in front of the line; implements `contracts.call_line.Playout`.

Chunks play in the order (turn, chunk), gapless; what has begun is never cut in two. A chunk that has run dry and is
not finished holds the line (in silence) for its next samples, so every chunk must be finished, also one whose
synthesis failed.
"""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass, field

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES

SILENCE = bytes(FRAME_BYTES)


@dataclass(slots=True, order=True)
class _Chunk:
    key: tuple[int, int]
    unsent: bytearray = field(default_factory=bytearray, compare=False)
    finished: bool = field(default=False, compare=False)


class PlayoutQueue:
    """Thread-safe; every method holds one lock for microseconds. One sender pulls `next_frame`."""

    sample_rate = CONVERSATION_RATE

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: list[_Chunk] = []
        self._known: dict[tuple[int, int], _Chunk] = {}
        self._sent: dict[tuple[int, int], int] = {}
        self._flushed_turn: int | None = None
        self._paused = False
        self._last_sent_at = 0.0
        self.last_turn: int | None = None
        """For the sender alone: the turn that the last frame's audio belongs to, None when it is silence."""

    def write(self, turn: int, chunk: int, pcm: bytes) -> bool:
        """Append 16 kHz PCM of a chunk. False when the turn was flushed: stop synthesising.

        Raises ValueError for an odd number of bytes or for a chunk that was finished.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes are not whole int16 samples")
        with self._lock:
            if self._refuses(turn):
                return False
            entry = self._entry(turn, chunk)
            if entry.finished:
                raise ValueError(f"chunk {chunk} of turn {turn} was finished")
            entry.unsent += pcm
            return True

    def finish(self, turn: int, chunk: int) -> None:
        """No more PCM will come for this chunk. Idempotent; of no effect on a flushed turn."""
        with self._lock:
            if not self._refuses(turn):
                self._entry(turn, chunk).finished = True

    def pause(self) -> None:
        """Send silence from the next packet on; keep everything."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        """Go on from the very sample where `pause` stopped."""
        with self._lock:
            self._paused = False

    def flush(self, turn: int) -> int:
        """Discard the unsent audio of turns <= `turn` and refuse them from now on; unpause.

        Returns the samples discarded. A newer turn that has begun already is left as it is, pause included,
        so a flush that comes late cannot mute or wake it.
        """
        with self._lock:
            if self._flushed_turn is None or turn > self._flushed_turn:
                self._flushed_turn = turn
            discarded = sum(len(entry.unsent) for entry in self._chunks if self._refuses(entry.key[0]))
            self._chunks = [entry for entry in self._chunks if not self._refuses(entry.key[0])]
            self._known = {key: entry for key, entry in self._known.items() if not self._refuses(key[0])}
            self._paused = self._paused and bool(self._chunks)
            return discarded // 2

    def sent_samples(self, turn: int, chunk: int) -> int:
        """How many of the chunk's samples have been handed to the network; kept for the whole call."""
        with self._lock:
            return self._sent.get((turn, chunk), 0)

    def last_sent_at(self) -> float:
        """`time.monotonic()` when the last packet with a sample other than 0 was sent; 0.0 before the first."""
        with self._lock:
            return self._last_sent_at

    @property
    def paused(self) -> bool:
        with self._lock:
            return self._paused

    @property
    def buffered_samples(self) -> int:
        """Samples written and not yet sent."""
        with self._lock:
            return sum(len(entry.unsent) for entry in self._chunks) // 2

    def next_frame(self, now: float) -> tuple[bytes, list[tuple[int, int]]]:
        """For the sender alone: the 640 bytes to send now, and the (turn, chunk) pairs that end with them."""
        with self._lock:
            self.last_turn = None
            if self._paused or not self._chunks:
                return SILENCE, []
            frame, played = bytearray(), list[tuple[int, int]]()
            while self._chunks:
                entry = self._chunks[0]
                piece = entry.unsent[: FRAME_BYTES - len(frame)]
                del entry.unsent[: len(piece)]
                if piece:
                    self.last_turn = entry.key[0]
                frame += piece
                self._sent[entry.key] = self._sent.get(entry.key, 0) + len(piece) // 2
                if entry.unsent or not entry.finished:
                    break
                played.append(entry.key)
                self._chunks.pop(0)
            pcm = bytes(frame.ljust(FRAME_BYTES, b"\0"))
            if pcm != SILENCE:
                self._last_sent_at = now
            return pcm, played

    def _refuses(self, turn: int) -> bool:
        return self._flushed_turn is not None and turn <= self._flushed_turn

    def _entry(self, turn: int, chunk: int) -> _Chunk:
        key = (turn, chunk)
        entry = self._known.get(key)
        if entry is None:
            entry = self._known[key] = _Chunk(key)
            playing = bool(self._chunks) and self._sent.get(self._chunks[0].key, 0) > 0
            insort(self._chunks, entry, lo=int(playing))
        return entry
