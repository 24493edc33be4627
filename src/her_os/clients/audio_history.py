"""The last seconds of a caller's audio by call sample, so that any part of it can be sent (again).

Audio may have gaps (a phone loop pushes speech only) and may be pushed twice (a pre-roll): what is already here is
kept. Positions are samples of the call at 16 kHz. Pure; no clock, no socket.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from her_os.contracts.audio import SAMPLE_WIDTH


@dataclass(slots=True)
class _Span:
    """Audio without a gap."""

    start: int
    pcm: bytearray

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // SAMPLE_WIDTH


class AudioHistory:
    """At least `keep_samples` of the newest audio."""

    def __init__(self, keep_samples: int) -> None:
        self._keep = keep_samples
        self._spans: deque[_Span] = deque()
        self._held = 0

    @property
    def start(self) -> int:
        """The oldest sample held; 0 where nothing is."""
        return self._spans[0].start if self._spans else 0

    @property
    def end(self) -> int:
        """The sample after the newest."""
        return self._spans[-1].end if self._spans else 0

    def push(self, pcm: bytes, sample_index: int) -> None:
        """Add audio that begins at `sample_index`; the part before `end` is already here, or too late."""
        known = max(0, self.end - sample_index) if self._spans else 0
        fresh = pcm[known * SAMPLE_WIDTH :]
        if not fresh:
            return
        if not self._spans or sample_index + known > self.end:
            self._spans.append(_Span(sample_index + known, bytearray()))
        self._spans[-1].pcm.extend(fresh)
        self._held += len(fresh) // SAMPLE_WIDTH
        self._forget()

    def read(self, position: int, most: int, before: int | None = None) -> tuple[int, bytes] | None:
        """Audio at or after `position`: where it begins, and up to `most` samples of it without a gap.

        Nothing from sample `before` on is returned. None where there is no (more) audio.
        """
        for span in self._spans:
            first = max(position, span.start)
            if first < span.end:
                last = min(span.end, first + most, span.end if before is None else before)
                if last <= first:
                    return None
                offset = (first - span.start) * SAMPLE_WIDTH
                return first, bytes(span.pcm[offset : offset + (last - first) * SAMPLE_WIDTH])
        return None

    def held_since(self, position: int) -> int:
        """Samples held at or after `position`; gaps do not count."""
        return sum(max(0, span.end - max(position, span.start)) for span in self._spans)

    def _forget(self) -> None:
        """Drop what is older than needed, in large steps: moving a buffer's rest costs."""
        step = self._keep // 8
        while self._held > self._keep + step:
            oldest = self._spans[0]
            drop = min(self._held - self._keep, oldest.end - oldest.start)
            del oldest.pcm[: drop * SAMPLE_WIDTH]
            oldest.start += drop
            self._held -= drop
            if oldest.start == oldest.end:
                self._spans.popleft()
