"""One call of the turn-taking benchmark: real detectors, orchestrators and playout queue on virtual time.

The line brings real audio (the caller, room noise, our own voice as echo), once on arrival and 40 ms later out of
the jitter buffer. The recogniser knows the caller's words and shows each `LAG_S` after it was spoken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

import turn_taking_sounds as sounds
from her_os.audio.echo import LineEcho, ReferenceTap
from her_os.audio.voice_activity import FastVoiceGate, SileroVoiceActivity
from her_os.contracts.audio import FRAME_BYTES, FRAME_SAMPLES, InboundFrame
from her_os.contracts.call_line import FrameTap, LineListener
from her_os.contracts.speech_to_text import Final, Partial
from her_os.conversation.barge_in_policy import InterruptionJudge, JudgeLimits, PauseDetector
from her_os.conversation.call_loop import CallLoop
from her_os.conversation.ears import Ears
from her_os.conversation.endpointing import Endpointer, EndpointLimits
from her_os.conversation.full_duplex import FullDuplexOrchestrator
from her_os.conversation.going_on import BargeIn
from her_os.conversation.half_duplex import HalfDuplexOrchestrator
from her_os.conversation.history import History
from her_os.conversation.orchestrator import CallParts
from her_os.conversation.replier import Phrases, Replier
from her_os.conversation.thinking import Thinker
from her_os.conversation.turn import TurnEpoch
from her_os.telephony.rtp.playout import PlayoutQueue
from tests.conversation.call import ListJournal, OneTool
from tests.fakes.line import ScriptedLine
from tests.fakes.speaking import ScriptedModel, ToneSynthesizer

LAG_S = 0.25
FINAL_S = 0.06
FIRST_WORD_S = 0.05
JITTER_FRAMES = 2


class LoggedPlayout(PlayoutQueue):
    """Remembers when it was paused, resumed and flushed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.log: list[tuple[float, str]] = []
        self._clock = clock

    def pause(self) -> None:
        self.log.append((self._clock(), "pause"))
        super().pause()

    def resume(self) -> None:
        self.log.append((self._clock(), "resume"))
        super().resume()

    def flush(self, turn: int) -> int:
        self.log.append((self._clock(), "flush"))
        return super().flush(turn)


class AudioLine(ScriptedLine):
    """The caller's PCM in, and what was sent `delay_ms` ago mixed into it `loss_db` quieter."""

    def __init__(self, caller: sounds.Wave, echo: tuple[int, float] | None) -> None:
        super().__init__()
        self._clock = asyncio.get_running_loop().time
        self.playout = LoggedPlayout(self._clock)
        self._wave, self._echo = caller, echo
        self._sent = np.zeros(len(caller) + 2 * FRAME_SAMPLES, np.float32)
        self.arrival_ms: list[float] = []

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        self._listener = listener
        self._pump = asyncio.create_task(self._play(listener, tap), name="line")

    async def _play(self, listener: LineListener, tap: FrameTap | None) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        buffered: list[InboundFrame] = []
        for index in range(len(self._wave) // FRAME_SAMPLES):
            at = index * FRAME_SAMPLES
            frame = InboundFrame(self._caller(at), loop.time(), at)
            began = time.thread_time()
            listener.on_arrival(frame)
            self.arrival_ms.append((time.thread_time() - began) * 1000)
            buffered.append(frame)
            due = buffered.pop(0) if len(buffered) > JITTER_FRAMES else None
            pcm, played = self.playout.next_frame(loop.time())
            self.sent.append((at / 16_000, pcm))
            self._sent[at : at + FRAME_SAMPLES] = np.frombuffer(pcm, np.int16)
            if tap is not None:
                tap.on_tick(due.pcm if due else bytes(FRAME_BYTES), pcm)
            if due is not None:
                listener.on_frame(due)
            for turn, chunk in played:
                listener.on_chunk_played(turn, chunk)
            await asyncio.sleep(max(0.0, started + (index + 1) * 0.02 - loop.time()))
        listener.on_ended("time is up")

    def _caller(self, at: int) -> bytes:
        wave = self._wave[at : at + FRAME_SAMPLES].copy()
        if self._echo is not None:
            delay, loss = self._echo
            back = np.arange(at, at + FRAME_SAMPLES) - FRAME_SAMPLES - delay * 16 - 5  # sent at the end of this tick
            wave += np.where(back >= 0, self._sent[back], 0) * 10 ** (-loss / 20)
        return np.clip(wave, -32768, 32767).astype(np.int16).tobytes()


class KnowingRecogniser:
    """SpeechToTextStream that knows (end in s, word) of the whole call."""

    def __init__(self, words: Sequence[tuple[float, str]]) -> None:
        self._words, self._shown, self._from, self._now = list(words), "", None, 0.0
        self.on_partial: Callable[[Partial], None] | None = None
        self.available = True

    async def open(self) -> None:
        return None

    def push(self, pcm: bytes, sample_index: int) -> None:
        self._from = sample_index / 16_000 if self._from is None else self._from
        self._now = (sample_index + len(pcm) // 2) / 16_000
        text = self._text(self._now - LAG_S)
        if text != self._shown and self.on_partial:
            self._shown = text
            self.on_partial(Partial(0, 0, text, 0))

    def _text(self, until: float) -> str:
        begin = self._from if self._from is not None else 1e9
        return " ".join(word for end, word in self._words if begin < end <= until)

    async def finalize(self) -> Final:
        text = self._text(self._now)
        self._from, self._shown = None, ""
        await asyncio.sleep(FINAL_S)
        return Final(0, 0, text, 0)

    async def cycle(self, replay_from_sample: int) -> None:
        self._from, self._shown = None, ""
        await asyncio.sleep(0.2)

    async def close(self) -> None:
        return None


class _Story:
    sample_rate = 16_000
    marks = ()

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.sleep(0.02)
        for at in range(0, len(self._pcm), 6400):
            yield self._pcm[at : at + 6400]


class FliteSynthesizer(ToneSynthesizer):
    """The embedded voice, rendered before it is asked for; 20 ms to the first chunk."""

    def speak(self, session_id: str, text: str) -> AbstractAsyncContextManager[_Story]:
        @asynccontextmanager
        async def spoken() -> AsyncIterator[_Story]:
            self.spoken.append((session_id, text))
            made = sounds.at_level(sounds.flite(text, "rms"), -20)
            yield _Story(np.clip(made, -32768, 32767).astype(np.int16).tobytes())

        return spoken()


@dataclass
class Outcome:
    """What happened in a call."""

    log: list[tuple[float, str]]
    audible: list[float]
    journal: ListJournal
    history: History
    arrival_ms: list[float] = field(default_factory=list[float])


async def hold(
    caller: sounds.Wave,
    words: Sequence[tuple[float, str]],
    *,
    greeting: str = "",
    reply: str = "Of course.",
    full: bool = True,
    echo: tuple[int, float] | None = None,
) -> Outcome:
    """Play a call to the end of the caller's audio."""
    loop = asyncio.get_running_loop()
    line, detector, synthesizer = AudioLine(caller, echo), SileroVoiceActivity(), FliteSynthesizer()
    history, journal = History("You are her."), ListJournal()
    model = ScriptedModel([[reply]] * 9, word_s=FIRST_WORD_S)
    thinker = Thinker(model, OneTool(), slot=0, token_budget=10_000)
    phrases, epoch = Phrases("Sorry.", "One moment.", 9, b""), TurnEpoch()
    parts = CallParts(
        line=line,
        ears=Ears(KnowingRecogniser(words), detector, preroll_ms=300),
        endpointer=Endpointer(EndpointLimits(finished_ms=224 if full else 256), detector.window_ms),
        history=history,
        replier=Replier(line.call_id, line.playout, synthesizer, thinker, phrases, epoch),
        journal=journal,
        epoch=epoch,
        greeting=greeting,
        clock=loop.time,
    )
    await make_orchestrator(parts, synthesizer, detector.window_ms, full=full).run()
    return Outcome(line.playout.log, line.audible(), journal, history, line.arrival_ms)


def make_orchestrator(parts: CallParts, synthesizer: FliteSynthesizer, window_ms: int, *, full: bool) -> CallLoop:
    """As `daemons/phone_call.py` does, with its default settings."""
    barge_in = BargeIn(
        FastVoiceGate(mode=2), PauseDetector(40), InterruptionJudge(JudgeLimits(), window_ms), synthesizer
    )
    if not full:
        return HalfDuplexOrchestrator(parts, barge_in)
    barge_in.echo = LineEcho()
    parts.tap = ReferenceTap(barge_in.echo, parts.tap)
    return FullDuplexOrchestrator(parts, barge_in)
