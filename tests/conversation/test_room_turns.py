"""The room's states, from what microphone and loudspeaker carry; time is an argument."""

from __future__ import annotations

import pytest

from her_os.contracts.errors import IllegalTransition
from her_os.contracts.wake_word import RoomState, check_room_transition
from her_os.conversation.room_turns import ANSWER_WITHIN_S, RoomTurns

FRAME_S = 0.02


class Played:
    """A room whose sound is told second by second."""

    def __init__(self) -> None:
        self.turns, self.now = RoomTurns(), 0.0
        self.states: list[str] = []

    def go(self, seconds: float, *, voice: bool = False, sound: bool = False) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            self.turns.played(sound, self.now)
            self.turns.heard(voice, self.now)
            if not self.states or self.states[-1] != self.turns.state:
                self.states.append(self.turns.state)


def test_a_conversation_goes_through_its_states_and_falls_quiet() -> None:
    room = Played()
    room.turns.woken(room.now)
    room.go(1, voice=True)
    room.go(0.6)
    room.go(2, sound=True)
    room.go(3)
    assert room.states == ["LISTENING", "THINKING", "SPEAKING", "LISTENING"]
    assert 2 < room.turns.quiet_s(room.now) < 3
    room.turns.over(room.now)
    assert room.turns.state is RoomState.IDLE


def test_who_goes_on_is_listened_to_and_an_interruption_gives_the_word_back() -> None:
    room = Played()
    room.turns.woken(room.now)
    room.go(1, voice=True)
    room.go(0.6)
    room.go(0.4, voice=True)
    assert room.states[-2:] == ["THINKING", "LISTENING"]
    room.go(1, sound=True)
    room.turns.interrupted(room.now)
    assert room.turns.state is RoomState.LISTENING


def test_an_answer_that_never_comes_and_a_timer_that_rings_in_an_idle_room() -> None:
    room = Played()
    room.turns.woken(room.now)
    room.go(1, voice=True)
    room.go(ANSWER_WITHIN_S + 1)
    assert room.states == ["LISTENING", "THINKING", "LISTENING"]
    room.turns.over(room.now)
    room.go(0.5, sound=True)
    assert room.turns.state is RoomState.SPEAKING


def test_an_arrow_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(IllegalTransition, match="IDLE to THINKING"):
        check_room_transition(RoomState.IDLE, RoomState.THINKING)
