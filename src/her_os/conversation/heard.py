"""What the caller heard, computed from samples: text range <-> sample range, cut at the last whole word.

A reply is spoken in chunks (one synthesis each). Heard of a chunk = its samples sent, minus half the round trip.
Inside a chunk the position in the text comes from the engine's word marks. Without marks each letter is taken to be
as long as the next *in voiced time*: pauses, which punctuation makes, are in the audio and cost no letter.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from her_os.contracts.audio import CONVERSATION_RATE, WordMark

_WORD = re.compile(r"\S+")
_STEP = CONVERSATION_RATE // 100
"""Samples, 10 ms."""
_VOICED_RMS = 32_768 * 10 ** (-45 / 20)
_TYPICAL_LETTER = 0.072 * CONVERSATION_RATE
"""Voiced samples a letter takes, while the length of a chunk is not known yet."""


@dataclass
class SpokenChunk:
    """One synthesis of a reply. `text` is what was given to the engine; audio is added as it comes.

    `complete` is set once the synthesis ended as it should: only then is the audio known to hold all of the text.
    """

    text: str
    samples: int = 0
    complete: bool = False
    marks: tuple[WordMark, ...] = ()
    _voiced: list[int] = field(default_factory=lambda: [0])
    """Voiced samples before each 10 ms step."""
    _rest: bytes = b""

    def add(self, pcm: bytes) -> None:
        """More int16 PCM at 16 kHz."""
        self.samples += len(pcm) // 2
        data = np.frombuffer(self._rest + pcm, "<i2")
        whole = len(data) // _STEP
        self._rest = data[whole * _STEP :].tobytes()
        steps = data[: whole * _STEP].reshape(whole, _STEP).astype(np.float64)
        for loud in np.sqrt((steps**2).mean(axis=1)) > _VOICED_RMS:
            self._voiced.append(self._voiced[-1] + (_STEP if loud else 0))

    def heard_characters(self, heard_samples: int) -> int:
        """How many characters of `text` were heard, up to the end of the last whole word."""
        if heard_samples <= 0:
            return 0
        if self.complete and heard_samples >= self.samples:
            return len(self.text)
        words = list(_WORD.finditer(self.text))
        if self.marks:
            ends = [mark.text_end for mark in self.marks]
            reached = bisect_right([mark.sample_end for mark in self.marks], heard_samples)
            return ends[reached - 1] if reached else 0
        letters = np.cumsum([sum(map(str.isalnum, word.group())) for word in words] or [0])
        voiced = self._voiced[min(heard_samples // _STEP, len(self._voiced) - 1)]
        per_letter = self._voiced[-1] / max(1, letters[-1]) if self.complete else _TYPICAL_LETTER
        reached = int((letters * per_letter <= voiced + 1e-6).sum())
        return words[reached - 1].end() if reached and voiced else 0


def samples_heard(sent: int, round_trip_ms: float) -> int:
    """Samples of a chunk that have reached the caller's ear when `sent` have left."""
    return max(0, sent - int(round_trip_ms / 2 * CONVERSATION_RATE / 1000))
