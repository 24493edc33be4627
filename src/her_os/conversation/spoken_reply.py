"""One reply on its way to the caller's ear. Each reply owns its chunks, so an old one cannot write into a new turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from her_os.contracts.audio import CONVERSATION_RATE, WordMark
from her_os.contracts.call_line import Playout
from her_os.contracts.errors import CancelledTurn, SidecarUnavailable
from her_os.contracts.text_to_speech import SpeechSynthesizer
from her_os.conversation.heard import SpokenChunk, samples_heard

AHEAD_SAMPLES = 4 * CONVERSATION_RATE
"""Synthesis waits while this much is unsent: what an interruption would throw away stays small."""
STALLED_S = 3.0
"""A voice that gives nothing for so long is taken for hung."""

_QUIET = 32_768 * 10 ** (-50 / 20)
_KEPT_SAMPLES = CONVERSATION_RATE // 100


class SourceText(Protocol):
    """Text made speakable, with the way back to the text it came from."""

    @property
    def text(self) -> str:
        """What the engine is given."""
        ...

    def source_end_for(self, spoken_chars: int) -> int:
        """End of the last whole source word within the first `spoken_chars` characters of `text`."""
        ...


class SpokenReply:
    """Synthesises the chunks of turn `turn` into the playout and knows what of them was heard.

    `on_first_audio` is called once, when the first sample has been written. `is_current` tells whether the turn
    still stands; it is asked before each request, so that an interruption wins over a synthesis not yet begun.
    """

    def __init__(
        self,
        turn: int,
        session_id: str,
        playout: Playout,
        synthesizer: SpeechSynthesizer,
        on_first_audio: Callable[[], None],
        is_current: Callable[[], bool],
    ) -> None:
        self.turn = turn
        self.mute = False
        """The synthesiser has failed this reply: it need not be asked again."""
        self._is_current = is_current
        self._session_id, self._playout, self._synthesizer = session_id, playout, synthesizer
        self._on_first_audio: Callable[[], None] | None = on_first_audio
        self._chunks: list[tuple[SpokenChunk, SourceText | None, int]] = []
        self._unplayed: set[int] = set()
        self._all_played = asyncio.Event()
        self._closed = False
        self.text = ""

    async def speak(self, source: str, speakable: SourceText) -> None:
        """Say `source` (its speakable form); returns when all of it is written, not when it is played.

        Raises CancelledTurn when the turn was flushed meanwhile; SidecarUnavailable, SynthesisError.
        """
        await self._room_to_speak()
        if self.text and not self.text[-1].isspace() and not source[:1].isspace():
            self.text += " "
        start = len(self.text)
        self.text += source
        if not speakable.text.strip():
            return
        await self._synthesise(SpokenChunk(speakable.text), speakable, start)

    def play(self, pcm: bytes) -> None:
        """Play ready-made audio that is not part of the reply's text (an apology without a synthesiser)."""
        chunk = SpokenChunk("")
        index = self._begin(chunk, None, len(self.text))
        try:
            self._write(chunk, index, pcm)
        finally:
            self._finish(chunk, index)

    async def cue(self, speakable: SourceText) -> None:
        """Say something that is not part of the reply's text, e.g. "One moment."."""
        await self._synthesise(SpokenChunk(speakable.text), None, len(self.text))

    def chunk_played(self, index: int) -> None:
        """The playout sent the last sample of a chunk."""
        self._unplayed.discard(index)
        if self._closed and not self._unplayed:
            self._all_played.set()

    async def wait_played(self) -> None:
        """Wait until everything that was said has been sent. No `speak` may follow."""
        self._closed = True
        if self._unplayed:
            await self._all_played.wait()

    def heard_text(self, round_trip_ms: float) -> str:
        """What the caller can have heard of the reply's text, each chunk up to a whole word."""
        heard = ""
        for index, (chunk, speakable, start) in enumerate(self._chunks):
            if speakable is None:
                continue
            sent = self._playout.sent_samples(self.turn, index)
            characters = chunk.heard_characters(samples_heard(sent, round_trip_ms))
            heard += self.text[start : start + speakable.source_end_for(characters)] if characters else ""
        return heard.strip()

    async def _synthesise(self, chunk: SpokenChunk, speakable: SourceText | None, start: int) -> None:
        if not self._is_current():
            raise CancelledTurn(f"turn {self.turn} is over")
        index = self._begin(chunk, speakable, start)
        try:
            await self._stream(chunk, index)
        except TimeoutError as error:
            self.mute = True
            raise SidecarUnavailable("tts", f"gave no audio for {STALLED_S:g} s") from error
        except Exception:
            self.mute = True
            raise
        finally:
            self._finish(chunk, index)  # also a chunk that failed: an unfinished one would hold the line

    async def _stream(self, chunk: SpokenChunk, index: int) -> None:
        silence, now = LeadingSilence(loud=index > 0), asyncio.get_running_loop().time
        async with asyncio.timeout(STALLED_S) as deadline:
            async with self._synthesizer.speak(self._session_id, chunk.text) as stream:
                async for pcm in stream:
                    self._write(chunk, index, silence.cut(pcm))
                    deadline.reschedule(now() + STALLED_S)
                chunk.marks = tuple(silence.moved(mark) for mark in stream.marks)
        chunk.complete = True

    def _begin(self, chunk: SpokenChunk, speakable: SourceText | None, start: int) -> int:
        index = len(self._chunks)
        self._chunks.append((chunk, speakable, start))
        self._unplayed.add(index)
        return index

    def _write(self, chunk: SpokenChunk, index: int, pcm: bytes) -> None:
        if not self._playout.write(self.turn, index, pcm):
            raise CancelledTurn(f"turn {self.turn} was cancelled")
        chunk.add(pcm)
        if self._on_first_audio is not None and pcm:
            self._on_first_audio()
            self._on_first_audio = None

    def _finish(self, chunk: SpokenChunk, index: int) -> None:
        if chunk.samples:
            self._playout.finish(self.turn, index)
        else:
            self.chunk_played(index)

    async def _room_to_speak(self) -> None:
        while (ahead := self._playout.buffered_samples - AHEAD_SAMPLES) > 0:  # noqa: ASYNC110 - a known time
            await asyncio.sleep(ahead / CONVERSATION_RATE)


class LeadingSilence:
    """Cuts the up to 0.2 s of silence that a synthesiser begins with, which the caller would wait through.

    10 ms of it are kept. `loud` from the start cuts nothing.
    """

    def __init__(self, *, loud: bool = False) -> None:
        self._loud, self._held = loud, b""
        self._cut_samples = 0

    def cut(self, pcm: bytes) -> bytes:
        """The next int16 PCM; what is left of it."""
        if self._loud:
            return pcm
        self._held += pcm
        above = np.flatnonzero(np.abs(np.frombuffer(self._held, "<i2").astype(np.int32)) > _QUIET)
        if not above.size:
            return b""
        self._loud = True
        self._cut_samples = max(0, int(above[0]) - _KEPT_SAMPLES)
        return self._held[2 * self._cut_samples :]

    def moved(self, mark: WordMark) -> WordMark:
        """A word mark of the uncut audio, where it is now."""
        return WordMark(mark.text_end, max(0, mark.sample_end - self._cut_samples))
