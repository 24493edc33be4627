"""Full duplex: the caller may speak at any moment, and the assistant falls silent.

Two steps make an interruption both fast and safe. At the first sign of speech the playout is paused, from the
media thread itself, with nothing thrown away. When the strict detector confirms speech the cancel chain runs;
when it does not, the playout goes on from the very sample.
"""

from __future__ import annotations

from dataclasses import replace

from her_os.contracts.audio import InboundFrame
from her_os.conversation.going_on import AttentiveLoop
from her_os.conversation.turn import TurnState


class FullDuplexOrchestrator(AttentiveLoop):
    """Listens all the time."""

    def on_frame(self, frame: InboundFrame) -> None:
        """Every frame is heard; whose turn it is decides what it may mean."""
        if self._echo is not None:
            frame = replace(frame, pcm=self._echo.clean_in_order(frame.pcm))
        for probability in self._parts.ears.hear(frame):
            if self.state in (TurnState.LISTENING, TurnState.CANCELLING):
                self._listen(probability)
            elif self.state is not TurnState.ENDED:
                self._consider(probability)

    def on_hold(self, held: bool) -> None:
        """The answer goes on after it, and so does listening."""
        super().on_hold(held)
        self._arm(self.state is TurnState.SPEAKING)

    def reply_audible(self, turn: int) -> None:
        """From now on the caller can interrupt what they hear."""
        super().reply_audible(turn)
        self._arm(self.state is TurnState.SPEAKING)

    def _listen(self, probability: float) -> None:
        """One window while it is the caller's turn; a probable end of it lets the model begin to think."""
        super()._listen(probability)
        endpointer = self._parts.endpointer
        if endpointer.probably_over:
            self._parts.replier.prepare(self._parts.history, self._heard)
        elif endpointer.speaking and not endpointer.silence_ms:
            self._parts.replier.forget_prepared()

    def _go_on(self) -> None:
        super()._go_on()
        self._arm(self.state is TurnState.SPEAKING)
