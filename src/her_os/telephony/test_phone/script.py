"""What the test phone says and when. Pure: given what happened so far, when is each action due?"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Trigger(StrEnum):
    """When an action is due; its delay is counted from there."""

    AT = "at"
    """The moment the call was answered."""
    AFTER_ANSWER_AUDIO = "after_answer_audio"
    """The first audible packet of an answer: of what the assistant says after we have spoken. In a script
    of nothing but these, the greeting counts as an answer."""
    AFTER_SILENCE = "after_silence"
    """The last audible packet of what the assistant says after we have spoken (or of the greeting)."""


@dataclass(frozen=True, slots=True)
class Action:
    """Say `pcm` (16 kHz) or send `digits`."""

    trigger: Trigger
    delay_s: float
    name: str
    pcm: bytes = b""
    digits: str = ""


@dataclass(slots=True)
class Situation:
    """The call so far, on one clock. `audible` are arrivals of the assistant's audible packets, in order."""

    answered_at: float
    audible: list[float] = field(default_factory=list[float])
    speaking: int = 0
    """How many utterances of ours are under way."""
    spoken_until: float | None = None
    """When our last speech ended (its last audible packet); None before the first."""


class Script:
    """Actions of one kind are due in the order given, each once."""

    def __init__(self, actions: list[Action]) -> None:
        self._waiting = list(actions)
        self._greeting_counts = all(action.trigger is Trigger.AFTER_ANSWER_AUDIO for action in actions)

    @property
    def finished(self) -> bool:
        return not self._waiting

    def take_due(self, situation: Situation, now: float) -> list[Action]:
        """The actions due by `now`; they are not returned again."""
        due = [action for action, at in self._expected(situation) if at <= now]
        self._waiting = [action for action in self._waiting if not any(action is taken for taken in due)]
        return due

    def next_at(self, situation: Situation) -> float | None:
        """When the next action will be due if nothing new happens; None when that depends on the assistant."""
        return min((at for _, at in self._expected(situation)), default=None)

    def _expected(self, situation: Situation) -> list[tuple[Action, float]]:
        """The actions whose time is known, with that time. Of the waiting kinds only the first of each."""
        expected: list[tuple[Action, float]] = []
        seen: set[Trigger] = set()
        for action in self._waiting:
            if action.trigger is not Trigger.AT and action.trigger in seen:
                continue
            seen.add(action.trigger)
            start = self._reference(action.trigger, situation)
            if start is not None:
                expected.append((action, start + action.delay_s))
        return expected

    def _reference(self, trigger: Trigger, situation: Situation) -> float | None:
        if trigger is Trigger.AT:
            return situation.answered_at
        if situation.speaking:
            return None
        since = situation.answered_at if situation.spoken_until is None else situation.spoken_until
        if trigger is Trigger.AFTER_SILENCE:
            last = situation.audible[-1] if situation.audible else None
            return last if last is not None and last > since else None
        if situation.spoken_until is None and not self._greeting_counts:
            return None
        return next((at for at in situation.audible if at > since), None)
