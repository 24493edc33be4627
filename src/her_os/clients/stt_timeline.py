"""From a recogniser session's own clock to the call's: a session hears only parts of a call, one after another."""

from __future__ import annotations

import bisect
from typing import TypeVar

import msgspec

from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.speech_to_text import Final, Partial, Word

_SAMPLES_A_MS = CONVERSATION_RATE // 1000
ResultT = TypeVar("ResultT", Partial, Final)


class SessionTimeline:
    """Where each stretch of a session's audio came from."""

    def __init__(self) -> None:
        self._session_starts: list[int] = []
        self._call_starts: list[int] = []
        self.sent = 0
        """Samples sent in this session."""

    def sending(self, call_sample: int, samples: int) -> None:
        """The next `samples` of the session are those of the call from `call_sample` on."""
        if not self._call_starts or self._call_starts[-1] + self.sent - self._session_starts[-1] != call_sample:
            self._session_starts.append(self.sent)
            self._call_starts.append(call_sample)
        self.sent += samples

    def call_ms(self, session_ms: int, *, end: bool = False) -> int:
        """A time of the session in the call. An `end` on a seam belongs to the stretch before it."""
        if not self._session_starts:
            return session_ms
        sample = session_ms * _SAMPLES_A_MS
        find = bisect.bisect_left if end else bisect.bisect_right
        stretch = max(0, find(self._session_starts, sample) - 1)
        return (self._call_starts[stretch] + sample - self._session_starts[stretch]) // _SAMPLES_A_MS

    def in_call_time(self, result: ResultT, utterance: int) -> ResultT:
        """A result with the call's times and the stream's utterance number."""
        start_ms, audio_ms = self.call_ms(result.start_ms), self.call_ms(result.audio_ms, end=True)
        if isinstance(result, Partial):
            return msgspec.structs.replace(result, utterance=utterance, start_ms=start_ms, audio_ms=audio_ms)
        words = tuple(
            Word(word.text, self.call_ms(word.start_ms), self.call_ms(word.end_ms, end=True), word.confidence)
            for word in result.words
        )
        return msgspec.structs.replace(result, utterance=utterance, start_ms=start_ms, audio_ms=audio_ms, words=words)
