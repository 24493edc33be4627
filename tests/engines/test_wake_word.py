"""The wake word engine on real voices, its model files, and what training is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from her_os.contracts.errors import ConfigError
from her_os.contracts.wake_word import WakeWord
from her_os.engines.tts_flite import FliteEngine
from her_os.engines.wake_features import STEP_BYTES, WakeFeatures
from her_os.engines.wake_head import Head, load_head, save_head
from her_os.engines.wake_openwakeword import OpenWakeWordEngine
from her_os.engines.wake_registry import create_wake_engine, find_model
from her_os.engines.wake_training.classifier import Recipe, merge, train, untrained
from her_os.engines.wake_training.examples import Said, Tracks
from her_os.engines.wake_training.phrases import near_misses
from her_os.engines.wake_training.recorded_features import RecordedFeatures
from her_os.engines.wake_training.trial import Trial, answers, choose_threshold
from her_os.engines.wake_training.voices import sounds_like, speakers
from her_os.settings import Settings
from tests.speech import silence

Speak = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def speak() -> Speak:
    flite = FliteEngine()
    flite.load()

    def say(text: str, voice: str) -> bytes:
        chunks: list[bytes] = []
        flite.synthesize(text, voice, threading.Event(), chunks.append)
        return b"".join(chunks)

    return say


def settings(model: str) -> Settings:
    return msgspec.structs.replace(Settings(), wake=msgspec.structs.replace(Settings().wake, model=model))


def wakes(engine: OpenWakeWordEngine, *sounds: bytes) -> list[WakeWord]:
    pcm = b"".join((silence(2_000), *sounds, silence(1_000)))
    found = (engine.feed(pcm[at : at + 640], voiced=True) for at in range(0, len(pcm), 640))
    return [wake for wake in found if wake is not None]


@pytest.mark.parametrize(("model", "phrase"), [("hey_annie", "hey annie"), ("hey_jarvis", "hey jarvis")])
def test_its_phrase_wakes_once_and_other_talk_does_not(model: str, phrase: str, speak: Speak) -> None:
    engine = create_wake_engine(settings(model))
    engine.load()
    for voice in ("slt", "rms"):
        engine.reset()
        assert len(wakes(engine, speak(phrase, voice))) == 1, voice
    engine.reset()
    assert wakes(engine, speak("hey there, what time is it", "slt"), speak("the company has many", "rms")) == []


def test_without_a_voice_no_head_is_asked(speak: Speak) -> None:
    engine = create_wake_engine(settings("hey_annie"))
    engine.load()
    pcm = silence(2_000) + speak("hey annie", "slt") + silence(1_000)
    assert [engine.feed(pcm[at : at + 640], voiced=False) for at in range(0, len(pcm), 640)] == [None] * (
        len(pcm) // 640 + 1
    )


def test_a_model_that_is_none_is_refused_with_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known: hey_annie, alexa"):
        find_model(settings("hey_nobody"))
    for name in ("head.npz", "head.onnx"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(ConfigError, match=str(tmp_path / name)):
            OpenWakeWordEngine(tmp_path / name).load()


def test_what_is_trained_can_be_written_and_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(1, 1, (500, 20)).astype(np.float32), rng.normal(-1, 1, (500, 20)).astype(np.float32)
    start = untrained(np.zeros(20, np.float32), np.ones(20, np.float32), rng, hidden=8)
    network = train(
        start, lambda chosen: good[chosen], 500, lambda chosen: bad[chosen], np.arange(500), rng, Recipe(steps=500)
    )
    assert network(good).mean() > 0.9 > 0.1 > network(bad).mean()
    np.testing.assert_allclose(merge([network, network])(good), network(good), atol=1e-5)
    save_head(tmp_path / "head.npz", Head("hey you", network, network, 0.5))
    read = load_head(tmp_path / "head.npz")
    assert (read.phrase, read.threshold) == ("hey you", 0.5)
    np.testing.assert_allclose(read.first(good), network(good), atol=0.01)


def test_recordings_have_the_very_features_of_a_stream(speak: Speak) -> None:
    pcm = (silence(500) + speak("hey annie, what is the weather like today", "slt"))[: 40 * STEP_BYTES]
    stream, recorded = WakeFeatures(), RecordedFeatures()
    one_by_one = [stream.push(pcm[at : at + STEP_BYTES]) for at in range(0, len(pcm), STEP_BYTES)]
    at_once = recorded.push(pcm)
    assert len(at_once.embeddings) == len(one_by_one) > 30
    np.testing.assert_array_equal(at_once.embeddings, np.concatenate([step.embeddings for step in one_by_one]))
    np.testing.assert_array_equal(at_once.mels, np.concatenate([step.mels for step in one_by_one]))


def test_the_threshold_is_the_strictest_that_still_hears_the_phrases() -> None:
    tracks = Tracks(np.zeros((200, 96), np.float32), np.zeros((200, 8, 32), np.float32), [0])
    windows = tracks.windows
    said = Said(tracks, [50, 100, 150], ["a"] * 3)
    scores = np.full(len(windows), -5, np.float32)
    for end in said.ends:
        scores[windows == end + 1] = 3.2  # 0.96
    talk = np.full(len(windows), -2, np.float32)
    talk[40] = 2.6  # 0.93
    heard, other = (Trial(windows, each, each, 0.1) for each in (scores, talk))
    assert answers(said, heard.events(0.5)) == [1, 1, 1]
    assert len(other.events(0.9)) == 1
    assert choose_threshold(said, heard, other) == 0.96


def test_voices_are_held_out_and_near_misses_can_be_told_apart() -> None:
    everyone = speakers()
    assert 10 < sum(speaker.part == "try" for speaker in everyone) < len(everyone) / 3
    near = near_misses("hey annie")
    assert {"annie", "hey danny", "annie hey", "hey andy"} <= set(near)
    assert "hey annie" not in near
    assert sounds_like("hay annie") == sounds_like("hey annie") != sounds_like("hey danny")
