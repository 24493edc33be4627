"""Whether a synthesis is audible speech, from its bytes alone: mute is not crash, and `/health` cannot hear.

Pure. The limits are wide enough for any voice and text of a few words, and narrow enough for what broken
engines give: nothing, silence, a constant, a hum, noise at full scale, the wrong rate, half a sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.audio import FRAME_MS, SAMPLE_WIDTH

CHARS_A_SECOND = (5.0, 30.0)
"""Slowest and fastest speech, in characters of text a second; speech is near 14."""
PAUSE_S = 1.5
"""Silence before, after and between that a voice may add."""
MIN_RMS_DBFS = -45.0
ACTIVE_FRAME_DBFS = -50.0
MIN_ACTIVE = 0.2
"""Share of 20 ms frames that must be audible."""
MAX_CLIPPED = 0.001
"""Share of samples that may be at full scale."""
MIN_LEVEL_SPREAD_DB = 3.0
"""Standard deviation of the frames' levels: syllables give 10 dB or more, a hum or steady noise less than 1."""

_FULL_SCALE = 32_767
_CONTENT_TYPE = re.compile(r"audio/pcm;\s*rate=(\d+)")


@dataclass(frozen=True, slots=True)
class SpeechMeasure:
    """What was measured, and every reason why it is not speech (none: it is)."""

    content_type: str
    sample_rate: int
    size_bytes: int
    duration_s: float
    rms_dbfs: float
    peak_dbfs: float
    clipped_share: float
    active_share: float
    level_spread_db: float
    problems: tuple[str, ...]

    @property
    def audible(self) -> bool:
        return not self.problems


def check_speech(pcm: bytes, content_type: str, text: str) -> SpeechMeasure:
    """Measure `pcm` (little-endian int16 mono, at the rate `content_type` names) against the `text` it should say."""
    problems: list[str] = []
    match = _CONTENT_TYPE.fullmatch(content_type.strip())
    rate = int(match[1]) if match else 0
    if not 8_000 <= rate <= 48_000:
        problems.append(f"content type is {content_type!r}, expected audio/pcm;rate=N with N from 8000 to 48000")
    if len(pcm) % SAMPLE_WIDTH:
        problems.append(f"{len(pcm)} bytes are no whole number of samples")
    wave = np.frombuffer(pcm[: len(pcm) // SAMPLE_WIDTH * SAMPLE_WIDTH], dtype="<i2").astype(np.float64)
    levels = _frame_levels(wave, rate or 16_000)
    duration = len(wave) / rate if rate else 0.0
    centred = wave - wave.mean() if len(wave) else wave
    measure = SpeechMeasure(
        content_type=content_type,
        sample_rate=rate,
        size_bytes=len(pcm),
        duration_s=round(duration, 3),
        rms_dbfs=_dbfs(float(np.sqrt(np.mean(centred**2))) if len(wave) else 0.0),
        peak_dbfs=_dbfs(float(np.abs(wave).max(initial=0.0))),
        clipped_share=float(np.mean(np.abs(wave) >= _FULL_SCALE)) if len(wave) else 0.0,
        active_share=float(np.mean(levels > ACTIVE_FRAME_DBFS)) if len(levels) else 0.0,
        level_spread_db=round(float(np.std(levels)), 1) if len(levels) else 0.0,
        problems=(),
    )
    problems += _judge(measure, wave, text)
    return replace(measure, problems=tuple(problems))


def _judge(measure: SpeechMeasure, wave: NDArray[np.float64], text: str) -> list[str]:
    if not len(wave):
        return ["no audio at all"]
    problems: list[str] = []
    shortest = len(text) / CHARS_A_SECOND[1]
    longest = len(text) / CHARS_A_SECOND[0] + PAUSE_S
    if measure.sample_rate and not shortest <= measure.duration_s <= longest:
        problems.append(
            f"{measure.duration_s:.2f} s for {len(text)} characters; expected {shortest:.2f} to {longest:.2f} s"
        )
    if wave.min() == wave.max():
        return [*problems, f"every sample is {int(wave[0])}"]
    if measure.rms_dbfs < MIN_RMS_DBFS:
        return [*problems, f"silent: {measure.rms_dbfs} dBFS, expected at least {MIN_RMS_DBFS}"]
    if measure.active_share < MIN_ACTIVE:
        problems.append(f"only {measure.active_share:.0%} of it is audible, expected at least {MIN_ACTIVE:.0%}")
    if measure.clipped_share > MAX_CLIPPED:
        problems.append(f"clipped: {measure.clipped_share:.2%} of the samples are at full scale")
    if measure.level_spread_db < MIN_LEVEL_SPREAD_DB:
        problems.append(f"a steady sound, not speech: its level varies by {measure.level_spread_db} dB only")
    return problems


def _frame_levels(wave: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Level of each whole 20 ms frame, mean removed, in dBFS; -100 for silence."""
    size = rate * FRAME_MS // 1000
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    power = np.mean((frames - frames.mean(axis=1, keepdims=True)) ** 2, axis=1) if len(frames) else np.zeros(0)
    return 10 * np.log10(np.maximum(power / 32_768.0**2, 1e-10))


def _dbfs(value: float) -> float:
    return round(20 * float(np.log10(max(value / 32_768.0, 1e-5))), 1)
