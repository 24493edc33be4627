"""The sounds of the turn-taking set: voices (flite, Debian's human prompts) and seeded generators of noises.

Everything is 16 kHz float32 in int16 units, and the same for the same seed.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE as RATE
from tests.e2e.voices import _speak  # pyright: ignore[reportPrivateUsage]

HUMAN = Path("/usr/share/asterisk/sounds/en")
Wave = NDArray[np.float32]


def at_level(sound: Wave, dbfs: float) -> Wave:
    """Scaled so that its loudest 200 ms have this RMS level."""
    size = min(len(sound), RATE // 5)
    power = np.convolve(sound.astype(np.float64) ** 2, np.ones(size) / size, "valid").max()
    return (sound * (32_768 * 10 ** (dbfs / 20) / np.sqrt(power + 1e-9))).astype(np.float32)


def trimmed(sound: Wave) -> Wave:
    """Without what is 40 dB or more below the peak on both sides."""
    loud = np.flatnonzero(np.abs(sound) > np.abs(sound).max() / 100)
    return sound[loud[0] : loud[-1] + 1]


def flite(text: str, voice: str, speed: float = 1.0) -> Wave:
    """`text` by a flite voice; `speed` changes tempo and pitch together."""
    pcm = _speak(text, voice)
    if speed != 1.0:
        changer = StreamResampler(round(RATE * speed), RATE, align=True)
        pcm = changer.process(pcm) + changer.flush()
    return trimmed(np.frombuffer(pcm, np.int16).astype(np.float32))


def human(name: str) -> Wave:
    """A prompt of Debian's asterisk-core-sounds-en-wav."""
    with wave.open(str(HUMAN / f"{name}.wav")) as file:
        pcm, rate = file.readframes(file.getnframes()), file.getframerate()
    changer = StreamResampler(rate, RATE, align=True)
    return trimmed(np.frombuffer(changer.process(pcm) + changer.flush(), np.int16).astype(np.float32))


def room(level_dbfs: float, samples: int, seed: int) -> Wave:
    """Noise of a quiet line."""
    return np.random.default_rng(seed).normal(0, 32_768 * 10 ** (level_dbfs / 20), samples).astype(np.float32)


def _band(sound: Wave, low: float, high: float) -> Wave:
    spectrum = np.fft.rfft(sound)
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(frequency < low) | (frequency > high)] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


def _burst(rng: np.random.Generator, ms: float, decay_ms: float, low: float, high: float) -> Wave:
    size = int(ms * RATE / 1000)
    shape = np.exp(-np.arange(size) / (decay_ms * RATE / 1000)) * np.minimum(1, np.arange(size) / 32)
    return (_band(rng.normal(0, 1, size).astype(np.float32), low, high) * shape).astype(np.float32)


def _join(parts: list[tuple[float, Wave]]) -> Wave:
    size = max(int(at * RATE) + len(sound) for at, sound in parts)
    out = np.zeros(size, np.float32)
    for at, sound in parts:
        out[int(at * RATE) : int(at * RATE) + len(sound)] += sound
    return out


def cough(rng: np.random.Generator) -> Wave:
    """A burst of air, a hoarse tail; once or twice."""
    parts: list[tuple[float, Wave]] = []
    at = 0.0
    for _ in range(int(rng.integers(1, 3))):
        air = _burst(rng, 80, 25, 300, 6000)
        size = int(rng.uniform(0.1, 0.2) * RATE)
        time = np.arange(size) / RATE
        pitch = rng.uniform(90, 200) * (1 - 0.8 * time)
        buzz = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32) * 0.25
        hoarse = _band((buzz + rng.normal(0, 0.6, size)).astype(np.float32), 250, 4000) * np.exp(-time / 0.07)
        parts += [(at, air), (at + 0.04, hoarse.astype(np.float32))]
        at += float(rng.uniform(0.3, 0.5))
    return _join(parts)


def click(rng: np.random.Generator) -> Wave:
    """A switch or a mouth: some milliseconds."""
    return _burst(rng, 30, float(rng.uniform(2, 8)), 800, 7000)


def door(rng: np.random.Generator) -> Wave:
    """A thud of low frequencies, and the latch after it."""
    return _join(
        [(0, 3 * _burst(rng, 400, 90, 40, 400)), (float(rng.uniform(0.05, 0.15)), _burst(rng, 60, 8, 800, 5000))]
    )


def hum(rng: np.random.Generator) -> Wave:
    """Mains and its harmonics, 4 s."""
    time = np.arange(4 * RATE) / RATE
    base = float(rng.choice([50, 60, 100, 120]))
    return sum((np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) / k for k in range(1, 7)), np.zeros(1)).astype(
        np.float32
    )


def music(rng: np.random.Generator) -> Wave:
    """Chords of decaying harmonics with a beat, 4 s."""
    parts: list[tuple[float, Wave]] = []
    time = np.arange(int(0.6 * RATE)) / RATE
    for step in range(8):
        for note in rng.choice([0, 3, 4, 5, 7, 9, 12], 3, replace=False):
            pitch = 220 * 2 ** (float(note) / 12)
            tone = sum((np.sin(2 * np.pi * pitch * k * time) / k**1.5 for k in range(1, 6)), np.zeros(1))
            parts.append((0.5 * step, (tone * np.exp(-time / 0.25)).astype(np.float32)))
        parts.append((0.5 * step, 2 * _burst(rng, 60, 12, 60, 6000)))
    return _join(parts)


def typing(rng: np.random.Generator) -> Wave:
    """Keys for 3 s."""
    times = np.cumsum(rng.uniform(0.09, 0.3, 16))
    return _join([(float(at), float(rng.uniform(0.5, 1)) * _burst(rng, 25, 5, 1000, 7000)) for at in times])


def television(rng: np.random.Generator, names: list[str]) -> Wave:
    """A person talking in another room: reverberant and dull, 4 s."""
    dry = np.concatenate([human(name) for name in rng.permutation(names)])[: 4 * RATE]
    size = int(0.35 * RATE)
    tail = rng.normal(0, 1, size) * np.exp(-np.arange(size) / (0.09 * RATE))
    wet = np.fft.irfft(np.fft.rfft(dry, len(dry) + size) * np.fft.rfft(tail, len(dry) + size), len(dry) + size)
    return _band(wet[: len(dry)].astype(np.float32), 150, 2500)


NOISES = {"cough": cough, "click": click, "door": door, "hum": hum, "music": music, "typing": typing}
