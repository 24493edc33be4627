"""Loss concealment: what is made up follows on what was heard, and fades."""

from __future__ import annotations

import numpy as np

from her_os.audio.concealment import Concealer
from her_os.audio.pcm import rms


def voice(count: int, start: int = 0) -> bytes:
    """A buzz with a pitch of 125 Hz."""
    time = (start + np.arange(count)) / 16_000
    wave = sum(2_000 / k * np.sin(2 * np.pi * 125 * k * time) for k in range(1, 12))
    return np.asarray(wave).astype(np.int16).tobytes()


def test_a_lost_frame_of_a_voice_is_nearly_what_it_was() -> None:
    concealer = Concealer()
    concealer.heard(voice(1_600))
    made_up = np.frombuffer(concealer.fill(160), np.int16).astype(float)
    real = np.frombuffer(voice(160, 1_600), np.int16).astype(float)
    assert np.corrcoef(made_up, real)[0, 1] > 0.98


def test_it_fades_to_silence_within_60_ms() -> None:
    concealer = Concealer()
    concealer.heard(voice(1_600))
    levels = [rms(concealer.fill(320)) for _ in range(5)]
    assert levels[0] > levels[1] > levels[2] > 0
    assert levels[3] == levels[4] == 0


def test_real_audio_comes_back_without_a_click() -> None:
    concealer = Concealer()
    concealer.heard(voice(1_600))
    hole = concealer.fill(320)
    back = concealer.heard(voice(320, 2_000))
    joint = np.frombuffer(hole + back, np.int16).astype(int)
    ordinary = np.abs(np.diff(np.frombuffer(voice(1_600), np.int16).astype(int))).max()
    assert np.abs(np.diff(joint)).max() <= 1.5 * ordinary
    assert back[128:] == voice(320, 2_000)[128:], "only the first 4 ms are blended"


def test_without_loss_nothing_is_touched() -> None:
    concealer = Concealer()
    assert concealer.heard(voice(777)) == voice(777)
    assert concealer.heard(b"") == b""


def test_silence_stays_silent() -> None:
    concealer = Concealer()
    assert concealer.fill(320) == bytes(640)
