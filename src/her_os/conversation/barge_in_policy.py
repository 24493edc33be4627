"""When a sound pauses the assistant, and when a pause becomes an interruption. Pure: time is audio time.

Two detectors, two questions. `PauseDetector` runs on the media thread on every packet as it arrives and asks
"could this be speech?": it is quick and may be wrong, since a pause loses nothing. `InterruptionJudge` runs on
the event loop with the strict detector's probabilities and answers "is it?" within a bounded time.
"""

from __future__ import annotations

from collections import deque
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
    LISTEN_ON = "listen on"
    """Go on and listen: there is speech, but it may be no more than a "mm-hm"."""
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True, slots=True)
class JudgeLimits:
    """Milliseconds and probabilities.

    `hushed_ms`: this much quiet after a sound makes it a false alarm at once. Where every speech is an interruption it
    is one after `confirm_ms`. Where it may be a backchannel it is one after `talk_ms` if it begins like talk (its first
    `looks_ms` tell), or after `goes_on_ms`, by when backchannels are over; one that was recognised as such may last
    `backchannel_ms`.
    """

    confirm_ms: int = 160
    talk_ms: int = 128
    looks_ms: int = 420
    goes_on_ms: int = 800
    backchannel_ms: int = 1_400
    decide_within_ms: int = 400
    hushed_ms: int = 160
    speech_probability: float = 0.5
    talk: float = 0.75
    """Mean of the last `LOOKS`."""


LOOKS = 3


@dataclass(frozen=True, slots=True)
class Impression:
    """What is known of speech that may be a backchannel. `talk`: how much it sounds like more (0..1).

    `words`: whether what has been recognised of it is more; None where nothing has.
    """

    talk: float
    words: bool | None = None


class InterruptionJudge:
    """Confirms or dismisses a pause by the strict detector's windows. Event loop only."""

    def __init__(self, limits: JudgeLimits, window_ms: int) -> None:
        self._limits, self._window_ms = limits, window_ms
        self.reset()

    def paused(self) -> None:
        """The assistant has been paused now; speech already heard counts towards the confirmation."""
        self._pausing, self._waited_ms = True, 0

    def feed(self, probability: float, *, voiced: bool = False, impression: Impression | None = None) -> Verdict:
        """One window. Speech is confirmed with or without a pause before it.

        `voiced`: the quick detector still takes it for speech. Then quiet alone is no false alarm yet, for this one
        is late with some voices: the time limit decides. `impression`: None where every speech is an interruption.
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
        if self._is_interruption(impression):
            return Verdict.CONFIRMED
        if not self._pausing:
            return Verdict.WAIT
        hushed = not voiced and min(self._quiet_ms, self._waited_ms) >= self._limits.hushed_ms
        if hushed or self._waited_ms + self._window_ms > self._limits.decide_within_ms:
            self._pausing = False
            return Verdict.LISTEN_ON if self._speech_ms else Verdict.FALSE_ALARM
        return Verdict.WAIT

    def _is_interruption(self, impression: Impression | None) -> bool:
        limits, speech_ms = self._limits, self._speech_ms
        if impression is None:
            return speech_ms >= limits.confirm_ms
        if not speech_ms:
            self._looks.clear()
            return False
        self._looks.append(impression.talk)
        if impression.words is not None:
            return speech_ms >= (limits.confirm_ms if impression.words else limits.backchannel_ms)
        begins = limits.talk_ms <= speech_ms and self.since_onset_ms <= limits.looks_ms
        return speech_ms >= limits.goes_on_ms or (begins and sum(self._looks) / LOOKS >= limits.talk)

    def reset(self) -> None:
        """A new reply, or the assistant goes on."""
        self._speech_ms = self._quiet_ms = self._waited_ms = 0
        self._pausing = False
        self._looks = deque[float](maxlen=LOOKS)
        self.since_onset_ms = 0
        """How long ago, in audio time, the speech under judgement began."""
