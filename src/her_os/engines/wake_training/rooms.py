"""A clean voice as a microphone in a room hears it: reverberation, noise, music, distance, a poor microphone.

All waves are float32 at 16 kHz in units of int16.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.audio import CONVERSATION_RATE

Wave = NDArray[np.float32]


def reverberate(wave: Wave, rng: np.random.Generator, *, seconds: float) -> Wave:
    """A room whose echo falls by 60 dB in `seconds`: exponential noise after the direct sound."""
    size = max(1, int(seconds * CONVERSATION_RATE))
    tail = rng.normal(0, 1, size) * 10 ** (-3 * np.arange(size) / size)
    tail[: int(rng.uniform(0.001, 0.006) * CONVERSATION_RATE)] = 0
    tail *= rng.uniform(0.2, 0.7) / max(1e-9, float(np.sqrt((tail**2).sum())))
    tail[0] = 1.0
    length = _fast(wave.size + size)
    spectrum = np.fft.rfft(wave, length) * np.fft.rfft(tail, length)
    return np.fft.irfft(spectrum, length)[: wave.size].astype(np.float32)


def coloured_noise(size: int, rng: np.random.Generator) -> Wave:
    """Between white and brown, RMS 1."""
    length = _fast(size)
    spectrum = np.fft.rfft(rng.normal(0, 1, length))
    frequency = np.maximum(np.fft.rfftfreq(length), 1e-3)
    return _normal(np.fft.irfft(spectrum / frequency ** rng.uniform(0, 1), length)[:size])


def music(size: int, rng: np.random.Generator) -> Wave:
    """Chords, a bass and a beat, RMS 1. No music anybody wrote."""
    time = np.arange(size) / CONVERSATION_RATE
    out = np.zeros(size)
    beat = rng.uniform(0.3, 0.7)
    for start in np.arange(0, size / CONVERSATION_RATE, beat):
        part = (time >= start) & (time < start + 2 * beat)
        local = time[part] - start
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        for interval in (0, rng.choice([3, 4]), 7, 12):
            pitch = root * 2 ** (interval / 12)
            for harmonic in range(1, 5):
                out[part] += np.sin(2 * np.pi * pitch * harmonic * local) / harmonic**1.5 * np.exp(-local / beat)
        hit = local < 0.05
        out[np.flatnonzero(part)[hit]] += 2 * rng.normal(0, 1, int(hit.sum())) * np.exp(-local[hit] / 0.01)
    return _normal(out)


def narrow(wave: Wave, rng: np.random.Generator) -> Wave:
    """Through a microphone that hears little above some frequency."""
    length = _fast(wave.size)
    spectrum = np.fft.rfft(wave, length)
    frequency = np.fft.rfftfreq(length, 1 / CONVERSATION_RATE)
    filtered = np.fft.irfft(spectrum / (1 + (frequency / rng.uniform(2_500, 6_500)) ** 8), length)
    return filtered[: wave.size].astype(np.float32)


def in_a_room(wave: Wave, rng: np.random.Generator, *, noises: list[Wave] | None = None) -> Wave:
    """`wave` somewhere in the house, at some level, with some noise. Same length."""
    if rng.random() < 0.6:
        wave = reverberate(wave, rng, seconds=rng.uniform(0.1, 0.6))
    if rng.random() < 0.3:
        wave = narrow(wave, rng)
    loud = max(1.0, float(np.sqrt(np.mean(wave[np.abs(wave) > np.abs(wave).max() / 20] ** 2))) if wave.any() else 1.0)
    level = 32_768 * 10 ** (rng.uniform(-38, -12) / 20)
    out = wave * np.float32(level / loud)
    ratio_db = rng.uniform(5, 35)
    kind = rng.random()
    if kind < 0.6 or not noises:
        noise = coloured_noise(wave.size, rng)
    elif kind < 0.75:
        noise = music(wave.size, rng)
    else:
        noise = _cut(noises[int(rng.integers(len(noises)))], wave.size, rng)
        ratio_db = max(ratio_db, 8.0)
    out = out + noise * np.float32(level * 10 ** (-ratio_db / 20))
    return np.clip(out, -32_768, 32_767).astype(np.float32)


def _fast(size: int) -> int:
    """A length that is quick to transform."""
    return 1 << (size - 1).bit_length()


def _cut(wave: Wave, size: int, rng: np.random.Generator) -> Wave:
    repeated = np.tile(wave, 1 + size // max(1, wave.size))
    start = int(rng.integers(0, max(1, repeated.size - size)))
    return _normal(repeated[start : start + size])


def _normal(wave: NDArray[np.float64] | Wave) -> Wave:
    return (wave / max(1e-6, float(np.sqrt(np.mean(wave**2))))).astype(np.float32)
