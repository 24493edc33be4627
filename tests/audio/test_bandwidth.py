from __future__ import annotations

import numpy as np
import pytest

from her_os.audio.bandwidth import BandwidthJudge, fill_upper_band
from tests.speech import TEXTS, narrowband, silence, spoken

BLOCK_BYTES = 2560


def judged(pcm: bytes) -> list[bool]:
    judge, verdicts = BandwidthJudge(), list[bool]()
    for at in range(0, len(pcm), BLOCK_BYTES):
        judge.hear(pcm[at : at + BLOCK_BYTES])
        verdicts.append(judge.narrowband)
    return verdicts


@pytest.mark.parametrize("name", TEXTS)
def test_speech_is_judged_by_what_is_above_4_khz(name: str):
    assert not judged(spoken(name))[-1]
    assert judged(narrowband(spoken(name)))[-1]


def test_silence_tells_nothing():
    assert not any(judged(silence(1000)) + judged(bytes(32_000)))
    assert not any(judged(b"\0\0"))


def test_the_verdict_stands_once_it_is_given():
    pcm = b"".join(spoken(name) for name in TEXTS)
    assert not any(judged(pcm))
    verdicts = judged(narrowband(pcm))
    assert all(verdicts[verdicts.index(True) :])


def test_it_follows_a_line_that_changes():
    pcm = b"".join(spoken(name) for name in TEXTS)
    assert judged(pcm + narrowband(pcm))[-1]
    assert not judged(narrowband(pcm) + pcm)[-1]


def test_a_tone_gets_its_mirror_image_and_keeps_itself():
    wave = 8000 * np.sin(2 * np.pi * 1000 * np.arange(1600) / 16_000)
    filled = np.frombuffer(fill_upper_band(wave.astype(np.int16).tobytes()), dtype=np.int16)
    power = np.abs(np.fft.rfft(filled)) ** 2
    assert sorted(np.argsort(power)[-2:] * 10) == [1000, 7000]
    assert power[100] == pytest.approx(power[700], rel=0.01)


def test_a_loud_signal_is_clipped_not_wrapped():
    loud = np.full(100, 30_000, dtype=np.int16).tobytes()
    assert np.frombuffer(fill_upper_band(loud), dtype=np.int16).max() == 32_767


def test_the_loudest_block_is_the_level():
    judge = BandwidthJudge()
    assert judge.loudest_dbfs is None
    for amplitude in (3276.8, 327.68):
        judge.hear(np.full(1280, amplitude).astype(np.int16).tobytes())
    assert judge.loudest_dbfs == pytest.approx(-20, abs=0.01)
