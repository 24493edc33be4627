"""Full duplex: the caller may speak at any moment, and the assistant falls silent.

Two steps make an interruption both fast and safe. At the first sign of speech the playout is paused, from the
media thread itself, with nothing thrown away. When the strict detector confirms speech the cancel chain runs;
when it does not, the playout goes on from the very sample.

What may be no more than a "mm-hm" is given the pause and not the cancel; its words are recognised while the assistant
goes on, and have the last word: a backchannel is kept in the history, anything else is an interruption after all.
"""

from __future__ import annotations

from dataclasses import replace

from her_os.contracts.audio import InboundFrame
from her_os.contracts.errors import EngineError, SidecarUnavailable
from her_os.conversation.backchannels import is_backchannel
from her_os.conversation.barge_in_policy import Impression, Verdict
from her_os.conversation.call_loop import Event, Overheard
from her_os.conversation.going_on import AttentiveLoop, BargeIn
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.turn import TurnState

LOOK_MS = 320
"""What the judge of first sounds looks at."""
FOOLED_S = 5.0
"""For so long after it took a noise for speech the quick detector is not believed: the strict one pauses alone."""


class FullDuplexOrchestrator(AttentiveLoop):
    """Listens all the time."""

    def __init__(self, parts: CallParts, barge_in: BargeIn) -> None:
        super().__init__(parts, barge_in)
        self._first_sounds = barge_in.first_sounds
        self._overhearing: Overheard | None = None
        """Speech into an answer, while its words are being recognised."""
        self._listening_on = False
        """The assistant has gone on although the sound has not ended."""
        self._fooled_until = 0.0
        self._had_speech = False
        """The strict detector heard some in this pause."""

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
        self._arm(self._believes_the_gate())

    def reply_audible(self, turn: int) -> None:
        """From now on the caller can interrupt what they hear."""
        super().reply_audible(turn)
        self._arm(self._believes_the_gate())

    def _believes_the_gate(self) -> bool:
        speaking = self.state is TurnState.SPEAKING and not self._listening_on
        return speaking and self._parts.clock() >= self._fooled_until

    def _listen(self, probability: float) -> None:
        """One window while it is the caller's turn; a probable end of it lets the model begin to think."""
        super()._listen(probability)
        endpointer = self._parts.endpointer
        if endpointer.probably_over:
            self._parts.replier.prepare(self._parts.history, self._heard)
        elif endpointer.speaking and not endpointer.silence_ms:
            self._parts.replier.forget_prepared()

    def _consider(self, probability: float) -> None:
        super()._consider(probability)
        if self._held or self.state not in (TurnState.SPEAKING, TurnState.PAUSED):
            return
        self._had_speech |= self._judge.since_onset_ms > 0
        if not self._judge.since_onset_ms:
            self._listening_on = False
            if not self._armed and self._believes_the_gate():
                self._arm(True)
            self._stop_overhearing()
            return
        if self._overhearing is None and self._first_sounds is not None:
            self._overhearing = Overheard(self._parts.epoch.current, super()._first_sample())
            self._heard = ""
            self._parts.ears.open_at(self._overhearing.from_sample)
        if self.state is TurnState.SPEAKING and not self._listening_on:
            self._parts.line.playout.pause()  # the quick detector is not believed, or has missed it
            self._arm(False)
            self._machine.to(TurnState.PAUSED)
            self._judge.paused()

    def _impression(self) -> Impression | None:
        if self._first_sounds is None or self.state not in (TurnState.SPEAKING, TurnState.PAUSED):
            return None
        words = None if self._overhearing is None or not self._heard else not is_backchannel(self._heard)
        if words is not None or not self._judge.since_onset_ms:
            return Impression(1.0, words)  # no look is needed; the first window of a sound shows nothing yet
        return Impression(self._first_sounds.look(self._parts.ears.latest(LOOK_MS)).talk)

    def _go_on(self, verdict: Verdict) -> None:
        self._listening_on = verdict is Verdict.LISTEN_ON
        if verdict is Verdict.FALSE_ALARM and self.state is TurnState.PAUSED and not self._had_speech:
            self._fooled_until = self._parts.clock() + FOOLED_S
        self._had_speech = False
        super()._go_on(verdict)
        self._arm(self._believes_the_gate())

    def _first_sample(self) -> int:
        """Of what is being recognised already, where there is something."""
        return self._overhearing.from_sample if self._overhearing is not None else super()._first_sample()

    def _confirmed(self) -> None:
        super()._confirmed()
        self._overhearing, self._listening_on = None, False

    def _stop_overhearing(self) -> None:
        if self._overhearing is not None:
            self._inbox.put_nowait(self._overhearing)
            self._overhearing = None

    def _back_to_listening(self) -> None:
        self._listening_on = False
        self._stop_overhearing()
        super()._back_to_listening()

    async def _handle(self, event: Event) -> None:
        if isinstance(event, Overheard):
            await self._overheard(event)
        else:
            await super()._handle(event)

    async def _overheard(self, event: Overheard) -> None:
        """The words of a short sound: kept, or taken for the interruption they are."""
        if self.state in (TurnState.CANCELLING, TurnState.THINKING) or self._parts.endpointer.speaking:
            return  # they belong to an utterance that has begun meanwhile
        try:
            text = (await self._parts.ears.finish()).text
        except (SidecarUnavailable, EngineError):
            self._parts.ears.forget()
            return
        if not text:
            self._parts.journal.note("false alarm", "a sound without words")
        elif is_backchannel(text):
            self._parts.journal.note("backchannel", text)
            self._book.overheard(text)
        elif self.state in (TurnState.SPEAKING, TurnState.PAUSED) and self._parts.epoch.is_current(event.turn):
            self._overhearing = event
            self._confirmed()
