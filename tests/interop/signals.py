"""A test signal with the band and rhythm of speech, and how much of it arrives."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
RATE = 16_000


def speech_like(seconds: float, seed: int) -> Samples:
    """Noise of 300 to 3200 Hz that swells and falls four times a second, at 16 kHz, never periodic."""
    count = int(seconds * RATE)
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequency < 300) | (frequency > 3200)] = 0
    noise = np.fft.irfft(spectrum, count)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE)
    signal = noise / np.abs(noise).max() * swell
    return signal * 12_000


def pcm16(signal: Samples) -> bytes:
    return signal.astype("<i2").tobytes()


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def write_wav(path: Path, signal: Samples, rate: int) -> None:
    """Write a 16 kHz signal at 16 or 8 kHz (its band fits into both)."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm16(signal[:: RATE // rate]))


def read_wav(path: Path) -> Samples:
    """Any mono int16 file, as 16 kHz. A file still being written has a wrong length in its header, so it is ignored."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
    signal = samples(path.read_bytes()[44:])
    return upsampled(signal) if rate == RATE // 2 else signal


def upsampled(signal: Samples) -> Samples:
    """8 to 16 kHz without any filter of ours in the way: zero-padded spectrum."""
    spectrum = np.fft.rfft(signal)
    return np.fft.irfft(np.concatenate([spectrum, np.zeros(len(signal) - len(spectrum) + 1)]), 2 * len(signal)) * 2


def arrived(reference: Samples, heard: Samples, least_s: float = 2) -> float:
    """How well `heard` is `reference`: the median normalised correlation of its pieces of one second.

    Each piece of what was heard is looked for in the reference. The first and last half second are left out (codecs
    settle, calls are cut off), and so is silence. A median, because one frame lost on a loaded machine spoils one
    piece and says nothing about a codec. Raises AssertionError when less than `least_s` was heard.
    """
    audible = np.flatnonzero(np.abs(heard) > 100)
    assert len(audible) > least_s * RATE, f"only {len(audible) / RATE:.1f} s were heard"
    heard = heard[audible[0] + RATE // 2 : audible[-1] - RATE // 2]
    pieces = [heard[start : start + RATE] for start in range(0, len(heard) - RATE + 1, RATE // 4)]
    return float(np.median([_correlation(piece, reference) for piece in pieces]))


def _correlation(piece: Samples, reference: Samples) -> float:
    """Best normalised correlation of `piece` with any place of `reference`, the sub-sample delay taken out."""
    size = len(piece)
    padded = np.concatenate([np.zeros(size), reference, np.zeros(size)])
    length = 1 << (len(padded) + size).bit_length()
    lags = np.fft.irfft(np.fft.rfft(padded, length) * np.conj(np.fft.rfft(piece, length)), length)
    at = int(np.argmax(lags[: len(padded) - size]))
    cross = np.fft.rfft(padded[at : at + size]) * np.conj(np.fft.rfft(piece))
    shifts = np.linspace(-1, 1, 41)
    frequency = np.arange(len(cross))
    turned = [np.sum((cross * np.exp(2j * np.pi * frequency * shift / size)).real) for shift in shifts]
    energy = np.sqrt(_energy(padded[at : at + size]) * _energy(piece))
    return float(max(turned) / energy) if energy else 0.0


def _energy(signal: Samples) -> float:
    return float(np.sum(np.abs(np.fft.rfft(signal)) ** 2))
