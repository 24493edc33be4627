"""What the caller says, from frames to a final transcript: pre-roll, gating, the recogniser's stream.

The recogniser is given speech, not silence: from `preroll_ms` before an utterance began until it is finalised.
The last seconds are kept here, so that an utterance can be opened in the past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_MS, FRAME_SAMPLES, InboundFrame
from her_os.contracts.speech_to_text import Final, SpeechToTextStream
from her_os.contracts.voice_activity import SpeechDetector

_KEPT_MS = 10_000
SAMPLES_A_MS = CONVERSATION_RATE // 1000


class Ears:
    """Event loop only."""

    def __init__(self, stream: SpeechToTextStream, detector: SpeechDetector, preroll_ms: int) -> None:
        self._stream, self._detector, self._preroll_ms = stream, detector, preroll_ms
        self._recent: deque[InboundFrame] = deque(maxlen=_KEPT_MS // FRAME_MS)
        self._open = False

    def when_partial(self, callback: Callable[[str], None]) -> None:
        """Be told what is heard so far of the open utterance, tentative words included."""
        self._stream.on_partial = lambda partial: callback(partial.best_guess)

    def hear(self, frame: InboundFrame) -> Sequence[float]:
        """Take a frame; the speech probability of each window it completes."""
        self._recent.append(frame)
        if self._open:
            self._stream.push(frame.pcm, frame.sample_index)
        return self._detector.push(frame.pcm)

    def start_of(self, spoken_ms: int) -> int:
        """The sample at which an utterance began that has been spoken for `spoken_ms`, pre-roll included."""
        now = self._recent[-1].sample_index + FRAME_SAMPLES if self._recent else 0
        return max(0, now - (spoken_ms + self._preroll_ms) * SAMPLES_A_MS)

    def open_at(self, sample_index: int) -> None:
        """Begin to send to the recogniser, from a sample in the (recent) past. Nothing new where it is open."""
        if self._open:
            return
        self._open = True
        for frame in self._recent:
            if frame.sample_index + FRAME_SAMPLES > sample_index:
                self._stream.push(frame.pcm, frame.sample_index)

    async def reopen_at(self, sample_index: int) -> None:
        """Cancel leg: a fresh session that hears from `sample_index` on, whatever falls into the gap.

        Raises SidecarUnavailable; even then the utterance is open, and the stream catches up when it is back.
        """
        self._open = False
        try:
            await self._stream.cycle(sample_index)
        finally:
            self.open_at(sample_index)

    def forget(self) -> None:
        """Drop what could not be recognised: the caller will say it again."""
        self._stream.discard()

    async def finish(self) -> Final:
        """End the utterance. Raises SidecarUnavailable."""
        self._open = False
        return await self._stream.finalize()
