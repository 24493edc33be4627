"""Half duplex: one speaks, the other listens. What the caller says into an answer is not heard.

The safe default (ENABLE_BARGE_IN=0): it cannot be fooled by echo, and a recorded call replays byte by byte.
"""

from __future__ import annotations

from her_os.contracts.audio import InboundFrame
from her_os.conversation.call_loop import CallLoop, Interrupted
from her_os.conversation.turn import TurnState


class HalfDuplexOrchestrator(CallLoop):
    """Listens only while it is the caller's turn."""

    def on_frame(self, frame: InboundFrame) -> None:
        """Frames of the assistant's turn are dropped unheard."""
        if self.state is not TurnState.LISTENING:
            return
        for probability in self._parts.ears.hear(frame):
            self._listen(probability)

    async def _interrupted(self, event: Interrupted) -> None:
        raise AssertionError("a half-duplex call cannot be interrupted")
