"""The wake word: the engine Protocol, and the states of the room with their arrows.

IDLE -> (wake word) -> LISTENING -> (caller falls silent) -> THINKING -> (first sound) -> SPEAKING -> LISTENING
any of them -> (conversation over, or resting) -> IDLE
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from her_os.contracts.errors import IllegalTransition


@dataclass(frozen=True, slots=True)
class WakeWord:
    """The phrase was heard, and every stage agreed. `score` is the first stage's, 0..1."""

    phrase: str
    score: float
    ended_ago_ms: int
    """About how much of the audio fed so far lies behind the end of the phrase."""


class WakeWordEngine(Protocol):
    """Finds one phrase in one stream of 16 kHz PCM. Called from one thread; a 20 ms frame takes well under 10 ms."""

    name: str
    phrase: str

    def load(self) -> None:
        """Read the models and warm up. Blocks. Raises ConfigError for a file that is missing or none of ours."""
        ...

    def feed(self, pcm: bytes, *, voiced: bool) -> WakeWord | None:
        """Consume PCM of any length. `voiced`: whether the cheap gate heard a voice in it.

        Raises EngineError where a model fails.
        """
        ...

    def reset(self) -> None:
        """Forget the past, after a gap in the audio."""
        ...


class RoomState(StrEnum):
    """Where the room's conversation stands, as the wake word daemon knows it."""

    IDLE = "IDLE"
    """Only the wake word is listened for; nothing leaves the process."""
    LISTENING = "LISTENING"
    THINKING = "THINKING"
    SPEAKING = "SPEAKING"


_I, _L, _T, _S = RoomState

ROOM_ARROWS: dict[RoomState, frozenset[RoomState]] = {
    _I: frozenset({_L, _S}),  # _S: a timer rings while the room rests
    _L: frozenset({_T, _S, _I}),  # _S: a timer rings, or what was said before is answered
    _T: frozenset({_L, _S, _I}),  # _L: the caller went on, or nothing came
    _S: frozenset({_L, _I}),
}


def check_room_transition(current: RoomState, wanted: RoomState) -> RoomState:
    """Return `wanted`, or raise IllegalTransition when the table has no such arrow."""
    if wanted not in ROOM_ARROWS[current]:
        raise IllegalTransition(f"the room cannot go from {current} to {wanted}")
    return wanted
