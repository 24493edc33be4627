"""Half duplex: one speaks, the other listens. What the caller says into an answer is not heard.

The safe default (ENABLE_BARGE_IN=0): it cannot be fooled by echo, and a recorded call replays byte by byte. Until an
answer can be heard it is still the caller's turn: who goes on takes it back.
"""

from __future__ import annotations

from dataclasses import replace

from her_os.contracts.audio import InboundFrame
from her_os.conversation.going_on import AttentiveLoop
from her_os.conversation.turn import TurnState


class HalfDuplexOrchestrator(AttentiveLoop):
    """Listens only while it is the caller's turn."""

    def reply_audible(self, turn: int) -> None:
        """From now on nobody listens, but for what held the answer back."""
        super().reply_audible(turn)
        self._arm(False)

    def on_frame(self, frame: InboundFrame) -> None:
        """Frames of the assistant's turn are dropped unheard."""
        if self._echo is not None:
            frame = replace(frame, pcm=self._echo.clean_in_order(frame.pcm))
        if self.state in (TurnState.LISTENING, TurnState.CANCELLING):
            for probability in self._parts.ears.hear(frame):
                self._listen(probability)
        elif self._waiting or self._may_go_on():
            for probability in self._parts.ears.hear(frame):
                self._consider(probability)

    def _may_go_on(self) -> bool:
        """Whether the answer is still to begin, or was held back just when it began."""
        return self.state is TurnState.PAUSED or (self.state is TurnState.THINKING and self._answering)
