"""A language model that says scripted replies, and a synthesiser that makes a steady tone of known length."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from her_os.contracts.audio import WordMark
from her_os.contracts.errors import LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import (
    Finished,
    Message,
    ReplyEvent,
    TextDelta,
    ToolCall,
    ToolCallRequest,
    ToolSpec,
)
from her_os.contracts.text_to_speech import CancelReport

SAMPLES_A_CHARACTER = 1000
VOICE = 5000


class ScriptedModel:
    """LanguageModel: each reply is a list of words (TextDelta), ToolCall, or an exception to raise there."""

    def __init__(self, replies: Sequence[Sequence[str | ToolCall | Exception]], *, word_s: float = 0.01) -> None:
        self.replies = [list(reply) for reply in replies]
        self.asked: list[list[Message]] = []
        self.closed_early = 0
        self._word_s = word_s

    @asynccontextmanager
    async def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, slot: int = -1
    ) -> AsyncIterator[AsyncIterator[ReplyEvent]]:
        self.asked.append(list(messages))
        finished = False

        async def events() -> AsyncIterator[ReplyEvent]:
            nonlocal finished
            for item in self.replies.pop(0) if self.replies else ["Nothing", " more."]:
                await asyncio.sleep(self._word_s)
                if isinstance(item, Exception):
                    raise item
                yield TextDelta(item) if isinstance(item, str) else ToolCallRequest(item)
            finished = True
            yield Finished("stop")

        try:
            yield events()
        finally:
            self.closed_early += not finished

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)


class _Tone:
    sample_rate = 16_000

    def __init__(self, text: str, synthesizer: ToneSynthesizer) -> None:
        self._text, self._synthesizer = text, synthesizer
        self.marks: tuple[WordMark, ...] = ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.sleep(self._synthesizer.first_chunk_s)
        if self._synthesizer.hangs:
            await asyncio.sleep(3600)
        for number, _ in enumerate(self._text):
            if not self._synthesizer.available or number == self._synthesizer.fails_after:
                raise SidecarUnavailable("tts", "gone")
            yield struct.pack("<h", VOICE) * SAMPLES_A_CHARACTER


class ToneSynthesizer:
    """SpeechSynthesizer: every character is as long as the next."""

    def __init__(self, *, first_chunk_s: float = 0.02, cancel_s: float = 0.01) -> None:
        self.first_chunk_s, self._cancel_s = first_chunk_s, cancel_s
        self.available = True
        self.hangs = False
        self.fails_after: int | None = None
        """Chunks of audio after which the daemon goes away in the middle."""
        self.refuses: Exception | None = None
        self.spoken: list[tuple[str, str]] = []
        self.cancelled: list[str] = []

    @asynccontextmanager
    async def speak(self, session_id: str, text: str) -> AsyncIterator[_Tone]:
        if not self.available:
            raise SidecarUnavailable("tts", "connection refused")
        self.spoken.append((session_id, text))
        if self.refuses is not None:
            raise self.refuses
        yield _Tone(text, self)

    async def cancel(self, session_id: str) -> CancelReport:
        await asyncio.sleep(3600 if self.hangs else self._cancel_s)
        if not self.available:
            raise SidecarUnavailable("tts", "connection refused")
        self.cancelled.append(session_id)
        return CancelReport(1, 10.0, 0, "running")


__all__ = ["LanguageModelError", "ScriptedModel", "ToneSynthesizer"]
