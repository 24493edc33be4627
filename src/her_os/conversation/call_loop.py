"""The loop of one call: events in, turns out. Half and full duplex are subclasses that differ in what they hear.

Line callbacks run on the event loop and only note what happened; everything that awaits is done here, one event
after the other, so no two handlers of a call ever run at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import NoReturn

from her_os.contracts.audio import InboundFrame
from her_os.contracts.errors import EngineError, SidecarUnavailable
from her_os.conversation.endpointing import Heard
from her_os.conversation.orchestrator import CallParts, TurnBook
from her_os.conversation.turn import TurnMachine, TurnState

log = logging.getLogger(__name__)

IDLE_CHECK_S = 1.0
HOLD_FACTOR = 5
"""How much longer a line on hold may stay silent."""


@dataclass(frozen=True)
class EndOfTurn:
    """The caller has finished speaking; `at` is when, on the parts' clock."""

    at: float


@dataclass(frozen=True)
class Interrupted:
    """The caller speaks into turn `turn`; their words begin at `from_sample`."""

    turn: int
    from_sample: int


@dataclass(frozen=True)
class ReplyDone:
    """A reply was played to its end."""

    turn: int


@dataclass(frozen=True)
class Wake:
    """Look whether there is something to announce."""


@dataclass(frozen=True)
class Farewell:
    """The house closes: say goodbye now, whatever is going on."""

    text: str


Event = EndOfTurn | Interrupted | ReplyDone | Wake | Farewell


class CallLoop:
    """Common to both strategies. Implements LineListener and ReplyEvents; see `run`."""

    def __init__(self, parts: CallParts) -> None:
        self._parts, self._book = parts, TurnBook(parts)
        self._machine = TurnMachine()
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._announcements: deque[str] = deque()
        self._pending_end: EndOfTurn | None = None
        self._heard = ""
        """What the recogniser has heard so far of the utterance under way."""
        self._answering = False
        """The running turn answers the caller: it is no announcement."""
        self._taken_back = False
        """Words wait for an answer that was taken back, for the caller seemed to go on."""
        self._hang_up_when_done = False
        self._hanging_up: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._on_hold = False
        self._quiet_since = parts.clock()
        parts.ears.when_partial(self._partial)
        parts.replier.events = self

    @property
    def state(self) -> TurnState:
        """Where the turn taking stands."""
        return self._machine.state

    async def run(self) -> str:
        """Take turns until the call has ended; returns why it ended."""
        self._parts.line.start(self, self._parts.tap)
        if self._parts.greeting:
            self.announce(self._parts.greeting)
        turns = asyncio.create_task(self._take_turns(), name=f"turns of {self._parts.line.call_id}")
        watch = asyncio.create_task(self._watch_idle(), name=f"idle watch of {self._parts.line.call_id}")
        try:
            await asyncio.wait({turns, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            return self._ended.result() if self._ended.done() else turns.result()
        finally:
            turns.cancel()
            watch.cancel()
            await asyncio.wait({turns, watch})
            self._machine.to(TurnState.ENDED)
            await self._parts.replier.close()
            self._book.abandon()
            if self._hanging_up is not None:
                await asyncio.wait({self._hanging_up})

    async def _take_turns(self) -> NoReturn:
        while True:
            await self._handle(await self._inbox.get())

    def announce(self, text: str) -> None:
        """Say something as soon as nobody is speaking."""
        self._announcements.append(text)
        self._inbox.put_nowait(Wake())

    def say_goodbye(self, text: str) -> None:
        """Break off what is being said, say this and hang up."""
        self._inbox.put_nowait(Farewell(text))

    def request_hang_up(self) -> None:
        """Hang up once what is being said has been heard."""
        self._hang_up_when_done = True

    # What the line tells (LineListener).

    def on_arrival(self, frame: InboundFrame) -> None:
        """MEDIA THREAD. A strategy that can be interrupted listens here."""

    def on_frame(self, frame: InboundFrame) -> None:
        """A frame in order."""
        raise NotImplementedError

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        """The last sample of a chunk has been sent."""
        reply = self._parts.replier.reply
        if reply is not None and reply.turn == turn:
            reply.spoken.chunk_played(chunk)

    def on_dtmf(self, digit: str) -> None:
        """A key was pressed: kept in the journal."""
        self._parts.journal.note("dtmf", digit)

    def on_hold(self, held: bool) -> None:
        """Nothing of the answer is lost while the caller has us on hold."""
        self._parts.journal.note("hold", "on" if held else "off")
        self._on_hold, self._quiet_since = held, self._parts.clock()
        if held:
            self._parts.line.playout.pause()
        else:
            self._parts.line.playout.resume()

    def on_ended(self, reason: str) -> None:
        """The line is gone."""
        if not self._ended.done():
            self._ended.set_result(reason)

    # What the replier tells (ReplyEvents).

    def reply_audible(self, turn: int) -> None:
        """The first sample of a reply was written."""
        if self._parts.epoch.is_current(turn) and self.state is TurnState.THINKING:
            self._book.audible()
            log.debug("turn %d is audible", turn)
            self._machine.to(TurnState.SPEAKING)

    def reply_done(self, turn: int) -> None:
        """A reply was played to its end."""
        self._inbox.put_nowait(ReplyDone(turn))

    # Handlers: one at a time.

    async def _handle(self, event: Event) -> None:
        match event:
            case EndOfTurn():
                await self._answer(event)
            case ReplyDone(turn):
                await self._reply_done(turn)
            case Interrupted():
                await self._interrupted(event)
            case Farewell(text):
                await self._farewell(text)
            case _:
                self._announce_next()

    def _partial(self, text: str) -> None:
        endpointer = self._parts.endpointer
        if text and not endpointer.partial:
            log.debug("first words %d ms after their onset", endpointer.started_ago_ms)
        self._heard = text
        endpointer.partial = f"{self._parts.history.unanswered} {text}".strip() if text else ""

    def _listen(self, probability: float) -> None:
        """One window while it is the caller's turn."""
        heard = self._parts.endpointer.feed(probability)
        if self._parts.endpointer.speaking:
            self._quiet_since = self._parts.clock()
        if heard is Heard.STARTED:
            self._pending_end, self._heard = None, ""
            self._parts.ears.open_at(self._parts.ears.start_of(self._parts.endpointer.started_ago_ms))
        elif heard is Heard.ENDED:
            at = self._parts.clock() - self._parts.endpointer.silence_ms / 1000
            self._parts.endpointer.reset()
            self._pending_end = EndOfTurn(at)
            self._inbox.put_nowait(self._pending_end)

    async def _watch_idle(self) -> None:
        """Hang up a line that stays silent while it is the caller's turn; by the clock, for it may send no packet."""
        limit = self._parts.idle_hangup_s
        while limit:
            await asyncio.sleep(IDLE_CHECK_S)
            if self.state is not TurnState.LISTENING or self._parts.open_tasks():
                self._quiet_since = self._parts.clock()
            elif self._parts.clock() - self._quiet_since >= limit * (HOLD_FACTOR if self._on_hold else 1):
                never = self._parts.line.statistics().packets_received == 0
                self._parts.journal.note(
                    "idle", "no sound ever came from the phone" if never else "the line stayed silent"
                )
                if self._on_hold:
                    self._hang_up("goodbye")  # on hold nobody would hear a farewell
                else:
                    self.say_goodbye(self._parts.farewell)
                return

    async def _answer(self, end: EndOfTurn) -> None:
        if end is not self._pending_end or self.state is not TurnState.LISTENING:
            return  # the caller went on speaking
        self._pending_end = None
        self._machine.to(TurnState.THINKING)
        self._answering, taken_back, self._taken_back = True, self._taken_back, False
        turn = self._book.begin(end.at)
        if self._heard:
            self._parts.replier.prepare(self._parts.history, self._heard)
        log.debug("end of turn noticed %.0f ms after the end of speech", (self._parts.clock() - end.at) * 1000)
        try:
            final = await self._parts.ears.finish()
        except (SidecarUnavailable, EngineError) as error:
            self._parts.ears.forget()
            if self._is(TurnState.THINKING):
                self._book.answering("", self._parts.replier.apologise(turn, error))
            return
        log.debug("final %.0f ms after the end of speech: %r", (self._parts.clock() - end.at) * 1000, final.text)
        if final.text:
            self._parts.history.add_caller(final.text)
            if self._is(TurnState.THINKING):  # asked anew after each await
                await self._let_them_finish(end.at, self._parts.history.unanswered)
        if not self._is(TurnState.THINKING):  # interrupted meanwhile: the words stay, the next ones join them
            if final.text:
                self._book.unanswered(turn, final.text)
            return
        if not final.text and not taken_back:
            self._parts.journal.note("noise", "nothing recognised")
            self._back_to_listening()
            return
        reply = self._parts.replier.answer(turn, self._parts.history, lambda: self._until_certain(end.at))
        self._book.answering(final.text, reply)

    async def _let_them_finish(self, ended_at: float, words: str) -> None:
        """Wait as long as a caller who fell silent at `ended_at` after `words` may be thinking, or until they go on."""
        raise NotImplementedError

    async def _until_certain(self, ended_at: float) -> None:
        """Wait until a caller who fell silent at `ended_at` has surely finished."""
        raise NotImplementedError

    async def _reply_done(self, turn: int) -> None:
        if not self._parts.epoch.is_current(turn) or self.state is TurnState.CANCELLING:
            return
        self._book.close()
        self._back_to_listening()
        if self._hang_up_when_done and not self._announcements:
            self._hang_up("goodbye")

    async def _interrupted(self, event: Interrupted) -> None:
        raise NotImplementedError

    async def _farewell(self, text: str) -> None:
        """Break off what is being said, say goodbye, hang up."""
        turn = self._parts.epoch.current
        if self.state is not TurnState.LISTENING:
            if self.state is not TurnState.CANCELLING:
                self._machine.to(TurnState.CANCELLING)
            self._parts.epoch.advance()
            await self._parts.replier.close()
            self._parts.line.playout.flush(turn)
            self._book.abandon()
            self._back_to_listening()
        self._announcements.clear()
        self._pending_end = None
        self._parts.endpointer.reset()
        if text:
            self.request_hang_up()
            self.announce(text)
        else:
            self._hang_up("goodbye")

    def _hang_up(self, reason: str) -> None:
        """Once, and in a task of its own: the call's end then ends the loop."""
        if self._hanging_up is None:
            hang_up = self._parts.line.hang_up(reason)
            self._hanging_up = asyncio.create_task(hang_up, name=f"hang up {self._parts.line.call_id}")

    def _is(self, state: TurnState) -> bool:
        """Asked anew after an await: callbacks move the state meanwhile."""
        return self._machine.state is state

    def _back_to_listening(self) -> None:
        self._machine.to(TurnState.LISTENING)
        self._parts.endpointer.reset()
        self._quiet_since = self._parts.clock()
        self._inbox.put_nowait(Wake())

    def _announce_next(self) -> None:
        if not self._announcements or self.state is not TurnState.LISTENING or self._parts.endpointer.speaking:
            return
        if self._pending_end is not None:
            return
        text = self._announcements.popleft()
        self._machine.to(TurnState.THINKING)
        self._answering = False
        turn = self._book.begin(None)
        self._book.answering("", self._parts.replier.say(turn, text))
