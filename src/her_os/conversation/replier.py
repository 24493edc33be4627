"""Runs one reply after the other: thinks, speaks, and can be closed at any moment by the cancel chain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from her_os.contracts.call_journal import Outcome
from her_os.contracts.call_line import Playout
from her_os.contracts.errors import CancelledTurn, EngineError, SidecarUnavailable
from her_os.contracts.text_to_speech import SpeechSynthesizer
from her_os.conversation.history import History
from her_os.conversation.sentences import SentenceChunk, SentenceCutter
from her_os.conversation.speakable import make_speakable
from her_os.conversation.spoken_reply import SpokenReply
from her_os.conversation.thinking import Thinker, Thought
from her_os.conversation.turn import TurnEpoch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phrases:
    """What the assistant says of its own accord. `apology_pcm` is 16 kHz audio, for when the synthesiser is away."""

    apology: str
    busy_cue: str
    busy_cue_after_s: float
    apology_pcm: bytes = b""
    no_answer: str = "Sorry, I have no answer to that."
    """Said when the model says nothing at all."""


@dataclass
class Reply:
    """A turn being answered, and what became of it."""

    turn: int
    spoken: SpokenReply
    thought: Thought
    is_answer: bool = False
    outcome: Outcome = "answered"
    error: str = ""


async def _at_once() -> None:
    """What is said of our own accord needs no certainty."""


class ReplyEvents(Protocol):
    """What an orchestrator is told of its replies. Event loop."""

    def reply_audible(self, turn: int) -> None:
        """The first sample was written."""
        ...

    def reply_done(self, turn: int) -> None:
        """All of it has been played, or it failed. Not called for a closed reply."""
        ...


class Replier:
    """The mouth and mind of one call; at most one reply at a time. Event loop only."""

    def __init__(
        self,
        call_id: str,
        playout: Playout,
        synthesizer: SpeechSynthesizer,
        thinker: Thinker,
        phrases: Phrases,
        epoch: TurnEpoch,
    ) -> None:
        self._call_id, self._playout, self._synthesizer = call_id, playout, synthesizer
        self._thinker, self._phrases, self._epoch = thinker, phrases, epoch
        self._task: asyncio.Task[None] | None = None
        self.events: ReplyEvents | None = None
        """Whom to tell; the orchestrator puts itself here."""
        self.reply: Reply | None = None

    def answer(self, turn: int, history: History, until_certain: Callable[[], Awaitable[None]] = _at_once) -> Reply:
        """Begin to answer the last words in `history`. `until_certain`: see Thought."""
        reply = self._new(turn, until_certain)
        reply.is_answer = True
        return self._run(reply, self._thinker.think(history, reply.thought))

    def prepare(self, history: History, caller: str) -> None:
        """The caller has probably finished with these words: think ahead. Nothing is spoken, no tool is run."""
        if self._task is None or self._task.done():
            self._thinker.think_ahead(history, caller)

    def forget_prepared(self) -> None:
        """The caller went on, or the call is over."""
        self._thinker.give_up_thinking_ahead()

    def say(self, turn: int, text: str) -> Reply:
        """Begin to say a fixed text (greeting, timer, farewell)."""
        return self._run(self._new(turn), _fixed(text))

    def apologise(self, turn: int, error: Exception) -> Reply:
        """Say that something is broken, with the synthesiser or without it."""
        reply = self._new(turn)
        reply.outcome, reply.error = "failed", str(error)
        return self._run(reply, _failing(error))

    def session_id(self, turn: int) -> str:
        """The synthesis session of a turn, `CALL.TURN`."""
        return f"{self._call_id}.{turn}"

    async def close(self) -> bool:
        """Stop thinking and speaking; returns when the task has ended. False when there was nothing to stop."""
        self.forget_prepared()
        task, self._task = self._task, None
        if task is None or task.done():
            return False
        task.cancel()
        await asyncio.wait({task})
        return True

    def _new(self, turn: int, until_certain: Callable[[], Awaitable[None]] = _at_once) -> Reply:
        if self._task is not None and not self._task.done():
            raise RuntimeError("a reply is still running; close it first")

        def audible() -> None:
            if self.events is not None:
                self.events.reply_audible(turn)

        def is_current() -> bool:
            return self._epoch.is_current(turn)

        spoken = SpokenReply(turn, self.session_id(turn), self._playout, self._synthesizer, audible, is_current)
        self.reply = Reply(turn, spoken, Thought(is_current, until_certain))
        return self.reply

    def _run(self, reply: Reply, chunks: AsyncGenerator[SentenceChunk]) -> Reply:
        self._task = asyncio.create_task(self._reply(reply, chunks), name=f"reply {self.session_id(reply.turn)}")
        return reply

    async def _reply(self, reply: Reply, chunks: AsyncGenerator[SentenceChunk]) -> None:
        try:
            await self._speak_all(reply, chunks)
            if reply.is_answer and not reply.spoken.text.strip():
                reply.outcome = "silent"
                await reply.spoken.speak(self._phrases.no_answer, make_speakable(self._phrases.no_answer))
        except (CancelledTurn, SidecarUnavailable, EngineError) as error:
            if not self._epoch.is_current(reply.turn):
                return  # an interruption: the cancel chain sees to the rest
            log.warning("turn %d failed: %s", reply.turn, error)
            await self._say_sorry(reply, error)
        except Exception as error:
            log.exception("turn %d failed", reply.turn)
            await self._say_sorry(reply, error)
        await reply.spoken.wait_played()
        if self.events is not None:
            self.events.reply_done(reply.turn)

    async def _speak_all(self, reply: Reply, chunks: AsyncGenerator[SentenceChunk]) -> None:
        """Think ahead at full speed in a task of its own, speak in order."""
        queue: asyncio.Queue[SentenceChunk | None] = asyncio.Queue()

        async def think() -> None:
            try:
                async with aclosing(chunks) as thoughts:
                    async for chunk in thoughts:
                        queue.put_nowait(chunk)
            finally:
                queue.put_nowait(None)

        thinking = asyncio.create_task(think(), name=f"think {self.session_id(reply.turn)}")
        try:
            cued = False
            while True:
                try:
                    async with asyncio.timeout(None if cued else self._phrases.busy_cue_after_s):
                        chunk = await queue.get()
                except TimeoutError:
                    if self._playout.buffered_samples:
                        continue  # the caller is listening to what there is already
                    cued = True
                    await reply.spoken.cue(make_speakable(self._phrases.busy_cue))
                    continue
                if chunk is None:
                    return thinking.result() if thinking.done() else await thinking
                await reply.spoken.speak(chunk.text, make_speakable(chunk.text))
        finally:
            thinking.cancel()
            await asyncio.wait({thinking})

    async def _say_sorry(self, reply: Reply, error: Exception) -> None:
        """Whatever happens here, the reply ends: a call must not wait for one that never does."""
        reply.outcome, reply.error = "failed", str(error)
        try:
            if not reply.spoken.mute:
                with contextlib.suppress(Exception):
                    await reply.spoken.speak(self._phrases.apology, make_speakable(self._phrases.apology))
                    return
            reply.spoken.play(self._phrases.apology_pcm)
        except CancelledTurn:
            log.debug("turn %d was cancelled while it failed", reply.turn)


async def _fixed(text: str) -> AsyncGenerator[SentenceChunk]:
    cutter = SentenceCutter()
    for chunk in [*cutter.feed(text), *cutter.flush()]:
        yield chunk


async def _failing(error: Exception) -> AsyncGenerator[SentenceChunk]:
    raise error
    yield  # makes this a generator
