"""What both ways of taking turns share: the parts of a call, its events, and the bookkeeping of a turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from her_os.contracts.call_journal import CallJournal, CancelTrace, TurnRecord
from her_os.contracts.call_line import CallLine, FrameTap
from her_os.conversation.ears import Ears
from her_os.conversation.endpointing import Endpointer
from her_os.conversation.history import History
from her_os.conversation.replier import Replier, Reply
from her_os.conversation.turn import TurnEpoch

log = logging.getLogger(__name__)


class CallOrchestrator(Protocol):
    """Holds one call from answer to hang-up. One strategy each for half and full duplex."""

    async def run(self) -> str:
        """Take turns until the call has ended; returns why it ended."""
        ...

    def announce(self, text: str) -> None:
        """Say something as soon as nobody is speaking (a timer rings)."""
        ...

    def request_hang_up(self) -> None:
        """Hang up once what is being said has been heard."""
        ...


@dataclass
class CallParts:
    """Everything a call is made of, handed to an orchestrator by the composition root."""

    line: CallLine
    ears: Ears
    endpointer: Endpointer
    history: History
    replier: Replier
    journal: CallJournal
    epoch: TurnEpoch
    tap: FrameTap | None = None
    greeting: str = ""
    farewell: str = ""
    idle_hangup_s: float = 0.0
    open_tasks: Callable[[], Sequence[str]] = tuple
    """What the caller still waits for, in words (running timers): meanwhile silence is no reason to hang up."""
    clock: Callable[[], float] = time.monotonic
    log_speech: bool = False


class TurnBook:
    """Keeps the running turn: who said what, since when, and writes it to history and journal exactly once."""

    def __init__(self, parts: CallParts) -> None:
        self._parts = parts
        self._caller_text = ""
        self._ended_at: float | None = None
        self._first_audio_ms: float | None = None
        self._open: Reply | None = None

    def begin(self, speech_ended_at: float | None) -> int:
        """A new turn; returns its number. `speech_ended_at` is on the parts' clock, None when nobody spoke."""
        self._ended_at, self._first_audio_ms = speech_ended_at, None
        return self._parts.epoch.advance()

    def answering(self, caller_text: str, reply: Reply) -> None:
        """The reply of the running turn, and the words it answers. The journal has them before they are answered."""
        self._caller_text, self._open = caller_text, reply
        self._parts.journal.turn_begun(reply.turn, caller_text)

    def unanswered(self, turn: int, caller_text: str) -> None:
        """The caller went on before these words could be answered: they are kept by themselves."""
        self._parts.journal.turn_finished(TurnRecord(turn, caller_text, "", "", "interrupted"))

    def audible(self) -> None:
        """The reply's first sample was written."""
        if self._ended_at is not None and self._first_audio_ms is None:
            self._first_audio_ms = (self._parts.clock() - self._ended_at) * 1000

    def close(self, cancel: CancelTrace | None = None) -> None:
        """The turn is over: what was heard enters the history, all of it the journal. Idempotent."""
        self._write(whole=cancel is None, cancel=cancel)

    def abandon(self) -> None:
        """The call ended in the middle of a turn: what was heard until then is kept."""
        self._write(whole=False, cancel=None)

    def _write(self, *, whole: bool, cancel: CancelTrace | None) -> None:
        reply, self._open = self._open, None
        if reply is None:
            return
        text = reply.spoken.text.strip()
        heard = text
        if not whole or reply.outcome == "failed":
            heard = reply.spoken.heard_text(self._parts.line.statistics().round_trip_ms)
        self._parts.history.add_tool_messages(reply.thought.messages)
        self._parts.history.add_reply(heard, whole=whole)
        if self._parts.log_speech:
            log.info("turn %d: %r -> %r (heard %r)", reply.turn, self._caller_text, text, heard)
        record = TurnRecord(
            turn=reply.turn,
            caller_text=self._caller_text,
            reply_text=text,
            heard_text=heard,
            outcome=reply.outcome if whole or reply.outcome == "failed" else "interrupted",
            tools=tuple(reply.thought.tools),
            first_audio_ms=self._first_audio_ms,
            cancel=cancel,
            error=reply.error,
        )
        log.info("turn %d %s", reply.turn, _story(record))
        self._parts.journal.turn_finished(record)


def _story(record: TurnRecord) -> str:
    """What became of a turn, without a word of what was said in it."""
    parts: list[str] = [record.outcome]
    if record.first_audio_ms is not None:
        parts.append(f"first audio after {record.first_audio_ms:.0f} ms")
    if record.tools:
        parts.append(f"tools {', '.join(record.tools)}")
    return "; ".join(parts)
