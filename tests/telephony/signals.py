"""Sounds for media tests: something that correlates with itself at one place only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def babble(seconds: float, *, seed: int = 1, level: float = 3_000.0, top_hz: float = 3_000.0) -> bytes:
    """Band-limited noise (200 Hz to `top_hz`) with a syllable's envelope, int16 at 16 kHz, RMS about `level`."""
    rng = np.random.default_rng(seed)
    count = int(RATE * seconds)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequency < 200) | (frequency > top_hz)] = 0
    wave = np.fft.irfft(spectrum, count)
    wave *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE)
    return np.clip(wave / wave.std() * level, -32_000, 32_000).astype(np.int16).tobytes()


def best_match(heard: bytes, said: bytes) -> tuple[float, int]:
    """The correlation of `said` with where it fits best in `heard`, and that place in samples."""
    x = np.frombuffer(said, np.int16).astype(np.float64)
    y = np.frombuffer(heard, np.int16).astype(np.float64)
    if y.size < x.size:
        y = np.pad(y, (0, x.size - y.size))
    size = 1 << (x.size + y.size - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size)), size)[: y.size - x.size + 1]
    at = int(np.argmax(product))
    return correlation(y[at : at + x.size], x), at


def correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Pearson's."""
    return float(np.corrcoef(left, right)[0, 1])
