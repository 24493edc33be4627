"""What both ways of taking turns do until an answer begins: hear the caller go on, and take the answer back.

An answer that nobody has heard yet is a guess. Words that want more of them hold it back for as long as a caller may
think; speech that goes on runs the cancel chain, and the words before it and after it become one.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from her_os.contracts.audio import InboundFrame
from her_os.contracts.echo import LineEcho
from her_os.contracts.text_to_speech import SpeechSynthesizer
from her_os.contracts.voice_activity import VoiceGate
from her_os.conversation.barge_in_policy import InterruptionJudge, PauseDetector, Verdict
from her_os.conversation.call_loop import CallLoop, EndOfTurn, Interrupted
from her_os.conversation.cancel_chain import CancelChain
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.turn import TurnState

CERTAIN_AFTER_S = 0.6
"""Silence after which a caller has surely finished. An answer is prepared sooner, but nothing is changed for it."""


STILL_VOICED_FRAMES = 3
"""So many frames without voice end what the quick detector took for speech."""


@dataclass
class BargeIn:
    """What it takes to notice a caller who goes on, and to fall silent, beyond the parts of every call."""

    gate: VoiceGate
    detector: PauseDetector
    judge: InterruptionJudge
    synthesizer: SpeechSynthesizer
    echo: LineEcho | None = None
    """Told what was sent by the line's tap."""
    cancel_budget_s: float = 1.0


class AttentiveLoop(CallLoop):
    """Listens from the end of a turn until the answer begins. Create it on the event loop that the line calls back on.

    A subclass gives `_consider` every window of that time.
    """

    def __init__(self, parts: CallParts, barge_in: BargeIn) -> None:
        super().__init__(parts)
        self._gate, self._detector, self._judge = barge_in.gate, barge_in.detector, barge_in.judge
        self._synthesizer, self._echo = barge_in.synthesizer, barge_in.echo
        self._loop = asyncio.get_running_loop()
        self._armed = False  # read by the media thread
        self._unvoiced_frames = STILL_VOICED_FRAMES  # written by the media thread
        self._held = False
        self._waiting = False
        """The answer is held back: the caller may be going on."""
        self._went_on = asyncio.Event()
        self._from_sample = 0
        self._chain = CancelChain(
            parts.line.playout,
            parts.epoch,
            {"llm": self._close_reply, "tts": self._cancel_synthesis, "stt": self._reopen_ears},
            parts.clock,
            budget_s=barge_in.cancel_budget_s,
        )

    def on_arrival(self, frame: InboundFrame) -> None:
        """MEDIA THREAD. The first sign of speech pauses the playout here and now; the loop hears of it after."""
        pcm = self._echo.clean_arrival(frame.pcm) if self._echo else frame.pcm
        if not self._armed:
            return
        voiced = self._gate.is_voice(pcm)
        self._unvoiced_frames = 0 if voiced else self._unvoiced_frames + 1
        if self._detector.feed(voiced) and self._armed:
            self._parts.line.playout.pause()
            self._loop.call_soon_threadsafe(self._paused)

    def on_hold(self, held: bool) -> None:
        """Music on hold must not interrupt us."""
        self._held = held
        self._arm(False)
        super().on_hold(held)

    def _arm(self, on: bool) -> None:
        self._detector.reset()
        self._unvoiced_frames = STILL_VOICED_FRAMES
        self._armed = on and not self._held

    def _paused(self) -> None:
        if self.state is TurnState.SPEAKING:
            self._machine.to(TurnState.PAUSED)
            self._judge.paused()
        elif self.state is TurnState.THINKING and self._answering:
            self._hold_back()
        elif self.state in (TurnState.LISTENING, TurnState.THINKING) and not self._held:
            self._parts.line.playout.resume()  # the reply ended while the pause was on its way here

    def _hold_back(self) -> None:
        """The answer may become due while a sound is judged: it must not begin."""
        if not self._waiting:
            self._waiting = True
            self._parts.line.playout.pause()
            self._judge.paused()

    async def _answer(self, end: EndOfTurn) -> None:
        if end is self._pending_end and self.state is TurnState.LISTENING:
            self._arm(True)
        await super()._answer(end)

    def _consider(self, probability: float) -> None:
        """One window while the assistant thinks, speaks or is paused."""
        if self._held:
            return
        verdict = self._judge.feed(probability, voiced=self._unvoiced_frames < STILL_VOICED_FRAMES)
        if self.state is TurnState.THINKING and self._judge.since_onset_ms:
            self._hold_back()
        if verdict is Verdict.CONFIRMED:
            self._confirmed()
        elif verdict is Verdict.FALSE_ALARM:
            self._go_on()

    def _confirmed(self) -> None:
        self._arm(False)
        self._parts.line.playout.pause()
        self._waiting = False
        self._went_on.set()
        if self.state is TurnState.SPEAKING:
            self._machine.to(TurnState.PAUSED)
        self._machine.to(TurnState.CANCELLING)
        self._hang_up_when_done = False
        self._from_sample = self._parts.ears.start_of(self._judge.since_onset_ms)
        self._judge.reset()
        self._parts.endpointer.begin()
        self._inbox.put_nowait(Interrupted(self._parts.epoch.current, self._from_sample))

    def _go_on(self) -> None:
        self._arm(False)
        self._judge.reset()
        self._waiting = False
        if self.state is TurnState.PAUSED:
            self._machine.to(TurnState.SPEAKING)
        self._parts.line.playout.resume()
        self._parts.journal.note("false alarm", "a sound that was not speech")

    async def _let_them_finish(self, ended_at: float, words: str) -> None:
        """Wait as long as a caller who fell silent at `ended_at` after `words` may be thinking, or until they go on."""
        silence_s = self._parts.endpointer.silence_after(words) / 1000
        self._went_on.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, ended_at + silence_s - self._parts.clock())):
                await self._went_on.wait()

    async def _until_certain(self, ended_at: float) -> None:
        """Wait until a caller who fell silent at `ended_at` has surely finished."""
        await asyncio.sleep(max(0.0, ended_at + CERTAIN_AFTER_S - self._parts.clock()))
        while self._waiting:  # noqa: ASYNC110 - speech or not? The judge decides within its limit
            await asyncio.sleep(0.02)

    async def _interrupted(self, event: Interrupted) -> None:
        if self.state is not TurnState.CANCELLING:
            return  # a farewell was quicker
        trace = await self._chain.run(event.turn, "the caller spoke")
        self._book.close(trace)
        self._taken_back = bool(self._parts.history.unanswered)
        self._machine.to(TurnState.LISTENING)

    async def _reply_done(self, turn: int) -> None:
        if self.state is TurnState.PAUSED and self._parts.epoch.is_current(turn):
            self._machine.to(TurnState.SPEAKING)  # it had been said to its end when the pause came
            self._parts.line.playout.resume()
        await super()._reply_done(turn)

    def _back_to_listening(self) -> None:
        if self._waiting:
            self._waiting = False
            self._parts.line.playout.resume()
        self._arm(False)
        self._judge.reset()
        super()._back_to_listening()

    async def _close_reply(self, _turn: int) -> str:
        return "closed" if await self._parts.replier.close() else "nothing was running"

    async def _cancel_synthesis(self, turn: int) -> str:
        report = await self._synthesizer.cancel(self._parts.replier.session_id(turn))
        return f"{report.state}, thread out after {report.stopped_after_ms:.0f} ms, {report.steps_after_cancel} steps"

    async def _reopen_ears(self, _turn: int) -> str:
        await self._parts.ears.reopen_at(self._from_sample)
        return "reopened"
