"""Half duplex: one speaks, the other listens. What the caller says into an answer is not heard.

The safe default (ENABLE_BARGE_IN=0): it cannot be fooled by echo, and a recorded call replays byte by byte.
"""

from __future__ import annotations

from dataclasses import replace

from her_os.contracts.audio import InboundFrame
from her_os.contracts.echo import LineEcho
from her_os.conversation.call_loop import CallLoop, Interrupted
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.turn import TurnState


class HalfDuplexOrchestrator(CallLoop):
    """Listens only while it is the caller's turn. `echo` where the line's far end is a loudspeaker in a room."""

    def __init__(self, parts: CallParts, echo: LineEcho | None = None) -> None:
        super().__init__(parts)
        self._echo = echo

    def on_arrival(self, frame: InboundFrame) -> None:
        """MEDIA THREAD. The echo is learnt all the time, also while nobody listens."""
        if self._echo is not None:
            self._echo.clean_arrival(frame.pcm)

    def on_frame(self, frame: InboundFrame) -> None:
        """Frames of the assistant's turn are dropped unheard."""
        if self._echo is not None:
            frame = replace(frame, pcm=self._echo.clean_in_order(frame.pcm))
        if self.state is not TurnState.LISTENING:
            return
        for probability in self._parts.ears.hear(frame):
            self._listen(probability)

    async def _interrupted(self, event: Interrupted) -> None:
        raise AssertionError("a half-duplex call cannot be interrupted")
