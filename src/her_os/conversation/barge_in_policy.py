"""When a sound pauses the assistant, and when a pause becomes an interruption. Pure: time is audio time.

Two detectors, two questions. `PauseDetector` runs on the media thread on every packet as it arrives and asks
"could this be speech?": it is quick and may be wrong, since a pause loses nothing. `InterruptionJudge` runs on
the event loop with the strict detector's probabilities and answers "is it?" within a bounded time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from her_os.contracts.audio import FRAME_MS


class PauseDetector:
    """Fires once when `voiced_ms` of voiced frames came in a row. MEDIA THREAD."""

    def __init__(self, voiced_ms: int) -> None:
        self._needed = max(1, -(-voiced_ms // FRAME_MS))
        self._run = 0

    def feed(self, voiced: bool) -> bool:
        """One frame. True at the frame that completes the run."""
        self._run = self._run + 1 if voiced else 0
        return self._run == self._needed

    def reset(self) -> None:
        """Begin to count anew: the assistant begins to speak, or was resumed."""
        self._run = 0


class Verdict(Enum):
    """What a paused assistant should do."""

    WAIT = "wait"
    CONFIRMED = "confirmed"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True, slots=True)
class JudgeLimits:
    """Milliseconds. `hushed_ms`: this much quiet after a sound makes it a false alarm at once."""

    confirm_ms: int = 160
    decide_within_ms: int = 400
    hushed_ms: int = 160
    speech_probability: float = 0.5


class InterruptionJudge:
    """Confirms or dismisses a pause by the strict detector's windows. Event loop only."""

    def __init__(self, limits: JudgeLimits, window_ms: int) -> None:
        self._limits, self._window_ms = limits, window_ms
        self.reset()

    def paused(self) -> None:
        """The assistant has been paused now; speech already heard counts towards the confirmation."""
        self._pausing, self._waited_ms = True, 0

    def feed(self, probability: float, *, voiced: bool = False) -> Verdict:
        """One window. Speech is confirmed with or without a pause before it.

        `voiced`: the quick detector still takes it for speech. Then quiet alone is no false alarm yet, for this one
        is late with some voices: the time limit decides.
        """
        if self._pausing:
            self._waited_ms += self._window_ms
        if self._speech_ms:
            self.since_onset_ms += self._window_ms
        if probability >= self._limits.speech_probability:
            self._speech_ms += self._window_ms
            self.since_onset_ms = max(self.since_onset_ms, self._window_ms)
            self._quiet_ms = 0
        else:
            self._quiet_ms += self._window_ms
            if self._quiet_ms >= self._limits.hushed_ms:
                self._speech_ms = self.since_onset_ms = 0
        if self._speech_ms >= self._limits.confirm_ms:
            return Verdict.CONFIRMED
        if not self._pausing:
            return Verdict.WAIT
        hushed = not voiced and min(self._quiet_ms, self._waited_ms) >= self._limits.hushed_ms
        if hushed or self._waited_ms >= self._limits.decide_within_ms:
            return Verdict.FALSE_ALARM
        return Verdict.WAIT

    def reset(self) -> None:
        """A new reply, or the assistant goes on."""
        self._speech_ms = self._quiet_ms = self._waited_ms = 0
        self._pausing = False
        self.since_onset_ms = 0
        """How long ago, in audio time, the speech under judgement began."""
