"""The judge of how a sound begins: real voices, loudness, and files that are not its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from her_os.audio.first_sounds import INPUTS, FirstSounds, load_first_sounds, picture
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError
from tests.e2e.voices import speak


async def beginning(text: str) -> bytes:
    """Its first 260 ms, after a little silence."""
    wave = np.frombuffer(await speak(text, "rms"), np.int16)
    start = int(np.flatnonzero(np.abs(wave) > np.abs(wave).max() / 20)[0])
    return bytes(3200) + wave[start : start + CONVERSATION_RATE * 26 // 100].tobytes()


async def test_a_real_interruption_begins_otherwise_than_a_backchannel():
    judge = load_first_sounds()
    talk = [judge.look(await beginning(text)).talk for text in ("stop it", "wait a moment", "no i meant tomorrow")]
    listening = [judge.look(await beginning(text)).talk for text in ("mm hmm", "uh huh", "yeah")]
    assert min(talk) > max(listening)


def test_loudness_does_not_matter_and_a_short_sound_is_as_good_as_one_after_silence():
    wave = np.random.default_rng(1).normal(0, 3000, 2000).astype(np.float32)
    assert np.abs(picture(wave) - picture(wave * 3)).max() < 0.02
    assert np.array_equal(picture(wave), picture(np.concatenate((np.zeros(9000, np.float32), wave))))
    assert picture(wave).shape == (INPUTS,)


def test_weights_are_kept(tmp_path: Path):
    shipped, sounds = load_first_sounds(), np.random.default_rng(2).random((5, INPUTS), np.float32)
    shipped.save(tmp_path / "again.npz")
    assert np.allclose(load_first_sounds(tmp_path / "again.npz").probabilities(sounds), shipped.probabilities(sounds))
    assert np.allclose(shipped.probabilities(sounds).sum(axis=1), 1)


def test_files_that_are_not_its_weights_are_refused_by_name(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"missing\.npz.*cannot be read"):
        load_first_sounds(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ConfigError, match=r"train_first_sounds"):
        load_first_sounds(tmp_path / "text.npz")
    small = np.zeros((3, 4), np.float32)
    FirstSounds(small, small[0], small.T, small[:, 0]).save(tmp_path / "small.npz")
    with pytest.raises(ConfigError, match=r"another format"):
        load_first_sounds(tmp_path / "small.npz")
