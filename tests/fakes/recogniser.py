"""A recogniser that hears numbers: a block of 100 ms whose samples are all N is the word "N".

So a test can see which audio arrived, how often, and in which order. `block_of(7)` makes such audio.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, RecognitionSession, Word

BLOCK_SAMPLES = 1600
FAILS, CRASHES = 9_001, 9_002
"""Numbers at which the engine raises RecognitionError, or something it should not."""


def block_of(*numbers: int) -> bytes:
    """100 ms of audio for each number."""
    return b"".join(np.full(BLOCK_SAMPLES, number, dtype=np.int16).tobytes() for number in numbers)


class NumberEngine:
    """SpeechToTextEngine. Clear `may_load`, `may_accept` or `may_finalize` to hold its thread there."""

    name = "numbers"
    sample_rate = 16_000

    def __init__(self) -> None:
        self.may_load, self.may_accept, self.may_finalize = threading.Event(), threading.Event(), threading.Event()
        for gate in (self.may_load, self.may_accept, self.may_finalize):
            gate.set()
        self.sessions: list[NumberSession] = []
        self.events: list[str] = []
        self.unloaded = False

    @property
    def open_sessions(self) -> int:
        return sum(not session.closed for session in self.sessions)

    def load(self) -> None:
        assert self.may_load.wait(20)

    def open_session(self, session_id: str, language: str) -> RecognitionSession:
        if language != "en":
            raise ConfigError(f"numbers are English, not {language}")
        session = NumberSession(self)
        self.sessions.append(session)
        self.events.append("open")
        return session

    def unload(self) -> None:
        assert self.open_sessions == 0
        self.unloaded = True


class NumberSession:
    def __init__(self, engine: NumberEngine) -> None:
        self._engine = engine
        self.heard = bytearray()
        self.closed = False
        self.in_call = False
        self._utterance = 0
        self._start = 0

    @property
    def words(self) -> list[str]:
        """The open utterance."""
        wave = np.frombuffer(bytes(self.heard), dtype=np.int16)[self._start :]
        if not wave.size:
            return []
        starts = [0, *(np.flatnonzero(np.diff(wave)) + 1)]
        ends = [*starts[1:], wave.size]
        texts: list[str] = []
        for start, end in zip(starts, ends, strict=True):
            texts += [str(wave[start])] * max(1, (end - start) // BLOCK_SAMPLES)
        return texts

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        self._enter(self._engine.may_accept)
        try:
            numbers = set(np.frombuffer(pcm, dtype=np.int16).tolist())
            if FAILS in numbers:
                raise RecognitionError("told to fail")
            if CRASHES in numbers:
                raise ZeroDivisionError("told to crash")
            self.heard += pcm
            return [Partial(self._utterance, self._ms(self._start), " ".join(self.words), self._now_ms)]
        finally:
            self.in_call = False

    def finalize(self) -> Final:
        self._enter(self._engine.may_finalize)
        try:
            words = tuple(
                Word(text, self._ms(self._start) + 100 * place, self._ms(self._start) + 100 * place + 100)
                for place, text in enumerate(self.words)
            )
            text = " ".join(word.text for word in words)
            final = Final(self._utterance, self._ms(self._start), text, self._now_ms, words)
            self._utterance += 1
            self._start = len(self.heard) // 2
            return final
        finally:
            self.in_call = False

    def close(self) -> None:
        assert not self.in_call, "closed under a running call"
        if not self.closed:
            self.closed = True
            self._engine.events.append("close")

    def _enter(self, gate: threading.Event) -> None:
        assert not self.in_call, "two threads in one session"
        assert not self.closed, "used after close"
        self.in_call = True
        assert gate.wait(20)

    @property
    def _now_ms(self) -> int:
        return self._ms(len(self.heard) // 2)

    @staticmethod
    def _ms(samples: int) -> int:
        return samples // 16
