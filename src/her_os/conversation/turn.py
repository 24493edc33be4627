"""States of a call's turn taking, and the legal arrows between them, as one table.

LISTENING -> (end of turn) -> THINKING -> (first audio) -> SPEAKING -> (played out) -> LISTENING
SPEAKING -> (speech starts) -> PAUSED -> confirmed     -> CANCELLING -> LISTENING
                                     '-> not confirmed -> SPEAKING
"""

from __future__ import annotations

from enum import StrEnum

from her_os.contracts.errors import IllegalTransition


class TurnState(StrEnum):
    """Where a call's conversation stands."""

    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    ENDED = "ended"


_L, _T, _S, _P, _C, _E = TurnState

ARROWS: dict[TurnState, frozenset[TurnState]] = {
    _L: frozenset({_T, _E}),
    _T: frozenset({_S, _L, _C, _E}),  # _L: nothing to say; _C: the caller went on speaking
    _S: frozenset({_L, _P, _C, _E}),
    _P: frozenset({_S, _C, _E}),
    _C: frozenset({_L, _E}),
    _E: frozenset(),
}


class TurnMachine:
    """The current state; a wrong arrow raises IllegalTransition. Event loop only."""

    def __init__(self) -> None:
        self.state = TurnState.LISTENING

    def to(self, wanted: TurnState) -> None:
        """Move along an arrow of the table."""
        if wanted not in ARROWS[self.state]:
            raise IllegalTransition(f"a turn cannot go from {self.state} to {wanted}")
        self.state = wanted


class TurnEpoch:
    """The call's turn number: it only grows, and work captured under an older number is void.

    This is the "cancel pending" mark of the design: it is advanced before any leg of the cancel chain fires,
    never cleared, and compared by each new synthesis request, so it can neither mute a later turn nor be left set.
    """

    def __init__(self) -> None:
        self._current = 0

    @property
    def current(self) -> int:
        return self._current

    def advance(self) -> int:
        """Begin a new turn and void all older ones."""
        self._current += 1
        return self._current

    def is_current(self, turn: int) -> bool:
        return turn == self._current
