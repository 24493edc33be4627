"""Two short sounds that a room understands: "I am listening", and "I cannot now". 16 kHz int16 PCM."""

from __future__ import annotations

import numpy as np

from her_os.audio.pcm import to_pcm
from her_os.contracts.audio import CONVERSATION_RATE

_LEVEL = 5_000


def _tones(*pitches_hz: float, each_ms: int = 70) -> bytes:
    time = np.arange(CONVERSATION_RATE * each_ms // 1000) / CONVERSATION_RATE
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.01)
    return to_pcm(np.concatenate([_LEVEL * fade * np.sin(2 * np.pi * pitch * time) for pitch in pitches_hz]))


WOKEN = _tones(660, 990)
REFUSED = _tones(330, 247, each_ms=120)
