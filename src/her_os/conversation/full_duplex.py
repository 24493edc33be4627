"""Full duplex: the caller may speak at any moment, and the assistant falls silent.

Two steps make an interruption both fast and safe. At the first sign of speech the playout is paused, from the
media thread itself, with nothing thrown away. When the strict detector confirms speech the cancel chain runs;
when it does not, the playout goes on from the very sample.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from her_os.contracts.audio import InboundFrame
from her_os.contracts.echo import LineEcho
from her_os.contracts.text_to_speech import SpeechSynthesizer
from her_os.contracts.voice_activity import VoiceGate
from her_os.conversation.barge_in_policy import InterruptionJudge, PauseDetector, Verdict
from her_os.conversation.call_loop import CallLoop, Interrupted
from her_os.conversation.cancel_chain import CancelChain
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.turn import TurnState

STILL_VOICED_FRAMES = 3
"""So many frames without voice end what the quick detector took for speech."""
CERTAIN_AFTER_S = 0.6
"""Silence after which a caller has surely finished. An answer is prepared sooner, but nothing is changed for it."""


@dataclass
class BargeIn:
    """What full duplex needs beyond the parts of every call."""

    gate: VoiceGate
    detector: PauseDetector
    judge: InterruptionJudge
    synthesizer: SpeechSynthesizer
    echo: LineEcho | None = None
    """Told what was sent by the line's tap."""
    cancel_budget_s: float = 1.0


class FullDuplexOrchestrator(CallLoop):
    """Listens all the time. Create it on the event loop that the line calls back on."""

    def __init__(self, parts: CallParts, barge_in: BargeIn) -> None:
        super().__init__(parts)
        self._gate, self._detector, self._judge = barge_in.gate, barge_in.detector, barge_in.judge
        self._synthesizer = barge_in.synthesizer
        self._echo = barge_in.echo
        self._loop = asyncio.get_running_loop()
        self._armed = False  # read by the media thread
        self._unvoiced_frames = STILL_VOICED_FRAMES  # written by the media thread
        self._held = False
        self._waiting = False
        """The answer is held back: the caller may be going on."""
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
        """Music on hold must not interrupt us."""
        self._held = held
        self._arm(self.state is TurnState.SPEAKING)
        super().on_hold(held)

    def reply_audible(self, turn: int) -> None:
        """From now on the caller can interrupt what they hear."""
        super().reply_audible(turn)
        self._arm(self.state is TurnState.SPEAKING)

    def _arm(self, on: bool) -> None:
        self._detector.reset()
        self._unvoiced_frames = STILL_VOICED_FRAMES
        self._armed = on and not self._held

    def _paused(self) -> None:
        if self.state is TurnState.SPEAKING:
            self._machine.to(TurnState.PAUSED)
            self._judge.paused()
        elif self.state in (TurnState.LISTENING, TurnState.THINKING) and not self._held:
            self._parts.line.playout.resume()  # the reply ended while the pause was on its way here

    def _listen(self, probability: float) -> None:
        """One window while it is the caller's turn; a probable end of it lets the model begin to think."""
        super()._listen(probability)
        endpointer = self._parts.endpointer
        if endpointer.probably_over:
            self._parts.replier.prepare(self._parts.history, endpointer.partial)
        elif endpointer.speaking and not endpointer.silence_ms:
            self._parts.replier.forget_prepared()

    def _consider(self, probability: float) -> None:
        """One window while the assistant thinks, speaks or is paused."""
        if self._held:
            return
        verdict = self._judge.feed(probability, voiced=self._unvoiced_frames < STILL_VOICED_FRAMES)
        if self.state is TurnState.THINKING and self._judge.since_onset_ms and not self._waiting:
            self._waiting = True
            self._parts.line.playout.pause()  # else the answer would begin while this is being judged
            self._judge.paused()
        if verdict is Verdict.CONFIRMED:
            self._confirmed()
        elif verdict is Verdict.FALSE_ALARM:
            self._go_on()

    def _confirmed(self) -> None:
        self._parts.line.playout.pause()
        self._arm(False)
        self._waiting = False
        if self.state is TurnState.SPEAKING:
            self._machine.to(TurnState.PAUSED)
        self._machine.to(TurnState.CANCELLING)
        self._hang_up_when_done = False
        self._from_sample = self._parts.ears.start_of(self._judge.since_onset_ms)
        self._judge.reset()
        self._parts.endpointer.begin()
        self._inbox.put_nowait(Interrupted(self._parts.epoch.current, self._from_sample))

    def _go_on(self) -> None:
        self._judge.reset()
        self._waiting = False
        if self.state is TurnState.PAUSED:
            self._machine.to(TurnState.SPEAKING)
        self._parts.line.playout.resume()
        self._arm(self.state is TurnState.SPEAKING)
        self._parts.journal.note("false alarm", "a sound that was not speech")

    async def _until_certain(self, ended_at: float) -> None:
        await asyncio.sleep(max(0.0, ended_at + CERTAIN_AFTER_S - self._parts.clock()))
        while self._waiting:  # noqa: ASYNC110 - speech or not? The judge decides within its limit
            await asyncio.sleep(0.02)

    async def _interrupted(self, event: Interrupted) -> None:
        if self.state is not TurnState.CANCELLING:
            return  # a farewell was quicker
        trace = await self._chain.run(event.turn, "the caller spoke")
        self._book.close(trace)
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
