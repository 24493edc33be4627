"""What `her-os smoke` calls speech, fed with every kind of mute."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from her_os.audio.speech_check import check_speech

RATE = 16_000
TEXT = "This is a test of the voice, and it can be heard."
SECONDS = 3.5
TIME = np.arange(int(RATE * SECONDS)) / RATE
NOISE = np.random.default_rng(1).standard_normal(len(TIME))


def pcm(wave: NDArray[np.float64]) -> bytes:
    return np.clip(wave, -32768, 32767).astype("<i2").tobytes()


def syllables(level: float = 6000.0) -> NDArray[np.float64]:
    """Four bursts a second of a buzz: as much like speech as this check needs."""
    envelope = np.maximum(np.sin(2 * np.pi * 4 * TIME), 0)
    return level * envelope * np.sign(np.sin(2 * np.pi * 120 * TIME))


def problems(data: bytes, content_type: str = f"audio/pcm;rate={RATE}", text: str = TEXT) -> str:
    return "; ".join(check_speech(data, content_type, text).problems)


def test_what_sounds_like_speech_passes() -> None:
    measure = check_speech(pcm(syllables()), f"audio/pcm; rate={RATE}", TEXT)
    assert measure.audible
    assert measure.sample_rate == RATE
    assert measure.duration_s == pytest.approx(SECONDS, abs=0.01)
    assert -25 < measure.rms_dbfs < -15


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no audio"),
        (bytes(len(TIME) * 2), "every sample is 0"),
        (b"\x10\x27" * len(TIME), "every sample is 10000"),
        (pcm(NOISE * 3), "silent"),
        (pcm(NOISE * 3 + 8000), "silent"),
        (pcm(np.where(TIME < 0.1, NOISE * 9000, NOISE)), "audible"),
        (pcm(syllables(90_000.0)), "clipped"),
        (pcm(8000 * np.sin(2 * np.pi * 440 * TIME)), "steady sound"),
        (pcm(NOISE * 4000), "steady sound"),
        (pcm(syllables())[: RATE // 2], "expected"),
        (pcm(syllables()) * 5, "expected"),
        (pcm(syllables())[:-1], "whole number"),
    ],
    ids=["nothing", "zeros", "constant", "hiss", "offset", "click", "clipped", "hum", "noise", "short", "long", "odd"],
)
def test_every_kind_of_mute_is_told(data: bytes, reason: str) -> None:
    assert reason in problems(data)


@pytest.mark.parametrize("content_type", ["", "audio/wav", "audio/pcm", "audio/pcm;rate=4000", "audio/pcm;rate=16k"])
def test_the_content_type_must_name_a_rate(content_type: str) -> None:
    assert "content type" in problems(pcm(syllables()), content_type)


def test_the_wrong_rate_shows_in_the_duration() -> None:
    assert "expected" in problems(pcm(syllables()), "audio/pcm;rate=48000")
