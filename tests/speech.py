"""Spoken samples with their text, as a call brings them: in wideband, or through G.711."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from her_os.audio.resample import StreamResampler

FOLDER = Path(__file__).parent / "data" / "speech"
TEXTS = {
    "what-time-is-it": "what time is it",
    "set-a-timer": "set a timer for ten minutes",
    "thank-you-goodbye": "thank you goodbye",
}


def silence(ms: int) -> bytes:
    """A quiet room: not digital silence, which no line has."""
    noise = np.random.default_rng(ms).normal(0, 3, ms * 16)
    return noise.astype(np.int16).tobytes()


def spoken(name: str, *, before_ms: int = 400, after_ms: int = 320) -> bytes:
    """A sample between silences, 16 kHz."""
    with wave.open(str(FOLDER / f"{name}.wav")) as file:
        return silence(before_ms) + file.readframes(file.getnframes()) + silence(after_ms)


def narrowband(pcm: bytes) -> bytes:
    """What is left after 8 kHz: down and up again, with 13 bits as mu-law keeps them at best."""
    narrow = np.frombuffer(StreamResampler(16_000, 8_000).process(pcm), dtype=np.int16) >> 3 << 3
    return StreamResampler(8_000, 16_000).process(narrow.astype(np.int16).tobytes())
