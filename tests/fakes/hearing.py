"""Detectors that read the level of a scripted frame, and a recogniser that returns scripted words."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence

from her_os.contracts.errors import SidecarUnavailable
from her_os.contracts.speech_to_text import Final, Partial
from tests.fakes.line import NOISE, SPEECH


def _level(pcm: bytes) -> int:
    return int(struct.unpack_from("<h", pcm)[0])


class LevelGate:
    """VoiceGate: fires on noise and on speech."""

    def is_voice(self, pcm: bytes) -> bool:
        return _level(pcm) >= NOISE


class LevelDetector:
    """SpeechDetector: sure of speech, deaf to noise. One window a frame."""

    window_ms = 20

    def push(self, pcm: bytes) -> Sequence[float]:
        return [1.0 if _level(pcm) >= SPEECH else 0.0]

    def reset(self) -> None:
        """Nothing is kept."""


class ScriptedRecogniser:
    """SpeechToTextStream: the next text of `texts` for each utterance; remembers the speech it was given.

    `partials`: what it shows of an utterance at first, where that is not all of it.
    """

    def __init__(
        self, texts: Sequence[str], *, finalize_s: float = 0.03, cycle_s: float = 0.2, partials: Sequence[str] = ()
    ) -> None:
        self.texts = list(texts)
        self.on_partial: Callable[[Partial], None] | None = None
        self.available = True
        self.cycles: list[int] = []
        self.discarded = 0
        self.utterances: list[list[int]] = []
        self._pushed: list[int] = []
        self._finalize_s, self._cycle_s, self._partials = finalize_s, cycle_s, list(partials)

    async def open(self) -> None:
        return None

    def push(self, pcm: bytes, sample_index: int) -> None:
        if not self._pushed and self.on_partial and self.texts:
            self.on_partial(Partial(0, 0, self._partials[0] if self._partials else self.texts[0], 0))
        if _level(pcm) >= SPEECH:
            self._pushed.append(sample_index)

    async def finalize(self) -> Final:
        await asyncio.sleep(self._finalize_s)
        if not self.available:
            raise SidecarUnavailable("stt", "gone")
        pushed, self._pushed, self._partials = self._pushed, [], self._partials[1:]
        self.utterances.append(pushed)
        return Final(len(self.utterances), 0, self.texts.pop(0) if self.texts and pushed else "", 0)

    def discard(self) -> None:
        self._pushed = []
        self.discarded += 1

    async def cycle(self, replay_from_sample: int) -> None:
        self.cycles.append(replay_from_sample)
        self._pushed = []
        await asyncio.sleep(self._cycle_s)

    async def close(self) -> None:
        return None
