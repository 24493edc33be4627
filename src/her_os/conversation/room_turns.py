"""Whose turn it is in the room, told from what the microphone and the loudspeaker carry. Pure: time is an argument.

The phone daemon takes the turns; the room only follows, to show its state and to know when the talk has died down.
"""

from __future__ import annotations

from her_os.contracts.wake_word import RoomState, check_room_transition

_FRAME_S = 0.02
SPOKE_S = 0.2
"""So much voice is somebody speaking."""
FELL_SILENT_S = 0.4
SPOKEN_OUT_S = 0.5
"""Silence of the loudspeaker that is no pause between two sentences."""
ANSWER_WITHIN_S = 10.0
"""An answer that has not begun by then does not come."""


class RoomTurns:
    """One room. Every method takes the time; `state` moves along the arrows of ROOM_ARROWS only."""

    def __init__(self) -> None:
        self.state = RoomState.IDLE
        self.since_s = 0.0
        self._voice_s = 0.0
        self._voiced_at = self._audible_at = self._quiet_from = 0.0
        self._spoke = False

    def woken(self, now: float) -> None:
        """The wake word was heard: the caller's turn begins."""
        self._to(RoomState.LISTENING, now)
        self._voice_s, self._spoke, self._quiet_from = 0.0, False, now

    def over(self, now: float) -> None:
        """The conversation is over, or rests."""
        if self.state is not RoomState.IDLE:
            self._to(RoomState.IDLE, now)

    def heard(self, voiced: bool, now: float) -> None:
        """20 ms of the microphone."""
        if voiced:
            self._voice_s += _FRAME_S
            self._voiced_at = now
        elif now - self._voiced_at > FELL_SILENT_S / 2:
            self._voice_s = 0.0
        speaking = self._voice_s >= SPOKE_S
        self._spoke |= speaking
        if self.state is RoomState.LISTENING and self._spoke:
            self._quiet_from = max(self._quiet_from, self._voiced_at)
            if now - self._voiced_at >= FELL_SILENT_S:
                self._to(RoomState.THINKING, now)
        elif (self.state is RoomState.THINKING and (speaking or now - self.since_s >= ANSWER_WITHIN_S)) or (
            self.state is RoomState.SPEAKING and now - self._audible_at >= SPOKEN_OUT_S
        ):
            self._listen(now)

    def played(self, audible: bool, now: float) -> None:
        """20 ms that the line sent for the loudspeaker."""
        if not audible:
            return
        self._audible_at = now
        if self.state is not RoomState.SPEAKING:
            self._to(RoomState.SPEAKING, now)

    def interrupted(self, now: float) -> None:
        """The line threw away what waited to be played: the caller has the word."""
        if self.state is RoomState.SPEAKING:
            self._listen(now)

    def quiet_s(self, now: float) -> float:
        """How long nobody has said anything and nothing is waited for."""
        return now - self._quiet_from if self.state is RoomState.LISTENING else 0.0

    def _listen(self, now: float) -> None:
        self._to(RoomState.LISTENING, now)
        self._spoke, self._quiet_from = self._voice_s >= SPOKE_S, now

    def _to(self, state: RoomState, now: float) -> None:
        self.state = check_room_transition(self.state, state)
        self.since_s = now
