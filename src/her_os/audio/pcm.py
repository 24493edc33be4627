"""Between PCM bytes (little-endian int16 mono) and numpy, and how loud they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32_768.0
SILENCE_DBFS = -96.0
"""What `level_dbfs` says of digital silence: the floor of 16 bits."""


def samples(pcm: bytes) -> NDArray[np.int16]:
    """A read-only view of int16 PCM. Raises ValueError for an odd number of bytes."""
    return np.frombuffer(pcm, dtype=np.int16)


def to_pcm(wave: NDArray[np.float32] | NDArray[np.float64]) -> bytes:
    """Round and clip to int16; full scale is +-32768."""
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16).tobytes()


def rms(pcm: bytes) -> float:
    """Root mean square in int16 units; 0.0 for no samples."""
    if not pcm:
        return 0.0
    wave = samples(pcm).astype(np.float32)
    return math.sqrt(float(np.dot(wave, wave)) / wave.size)


def level_dbfs(pcm: bytes) -> float:
    """RMS level in dB below full scale, at least SILENCE_DBFS."""
    value = rms(pcm)
    return max(SILENCE_DBFS, 20 * math.log10(value / FULL_SCALE)) if value else SILENCE_DBFS
