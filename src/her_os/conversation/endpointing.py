"""Where a caller's turn ends: a short pause after a finished sentence, a longer one after an unfinished one.

Pure: fed with speech probabilities by window and with partial transcripts; time is audio time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from her_os.conversation.completeness import sounds_finished


class Heard(Enum):
    """What a window of audio meant for the turn."""

    NOTHING = "nothing"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Milliseconds of audio. Probabilities have hysteresis: above `on` is speech, below `off` is silence."""

    start_ms: int = 64
    probable_ms: int = 160
    finished_ms: int = 320
    unfinished_ms: int = 1_200
    max_ms: int = 30_000
    on: float = 0.5
    off: float = 0.35


class Endpointer:
    """Finds the start and the end of one utterance after the other."""

    def __init__(self, limits: EndpointLimits, window_ms: int) -> None:
        self._limits, self._window_ms = limits, window_ms
        self.reset()

    def reset(self) -> None:
        """Wait for the next utterance."""
        self.speaking = False
        self.partial = ""
        """What the recogniser heard so far, after words that have no answer yet; set by the owner."""
        self._speech_ms = self._silence_ms = self._length_ms = 0

    def begin(self) -> None:
        """Speech is known to be under way (a confirmed interruption)."""
        self.reset()
        self.speaking = True

    @property
    def started_ago_ms(self) -> int:
        """How long ago the utterance began."""
        return self._length_ms

    @property
    def silence_ms(self) -> int:
        """How long the caller has been silent."""
        return self._silence_ms

    @property
    def probably_over(self) -> bool:
        """Whether an answer may be prepared: a short silence after words that could be all."""
        return self._silence_ms >= self._limits.probable_ms and sounds_finished(self.partial)

    def silence_after(self, words: str) -> int:
        """Milliseconds of silence that end a turn of these words."""
        return self._limits.finished_ms if sounds_finished(words) else self._limits.unfinished_ms

    def feed(self, probability: float) -> Heard:
        """One window."""
        if not self.speaking:
            self._speech_ms = self._speech_ms + self._window_ms if probability >= self._limits.on else 0
            if self._speech_ms < self._limits.start_ms:
                return Heard.NOTHING
            length_ms = self._speech_ms
            self.begin()
            self._length_ms = length_ms
            return Heard.STARTED
        self._length_ms += self._window_ms
        if probability >= self._limits.on:
            self._silence_ms = 0
        elif probability < self._limits.off or self._silence_ms:
            self._silence_ms += self._window_ms
        if self._silence_ms >= self.silence_after(self.partial) or self._length_ms >= self._limits.max_ms:
            return Heard.ENDED
        return Heard.NOTHING
