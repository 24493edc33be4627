"""The two detectors on speech-like and other sound."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from her_os.audio.resample import StreamResampler
from her_os.audio.voice_activity import FastVoiceGate, SileroVoiceActivity
from her_os.contracts.errors import ConfigError
from her_os.engines.tts_espeak import EspeakEngine

RATE = 16_000


def as_pcm(wave: np.ndarray) -> bytes:
    return np.clip(wave, -32_768, 32_767).astype(np.int16).tobytes()


def noise(level: float, seconds: float = 2.0) -> bytes:
    return as_pcm(np.random.default_rng(0).normal(0, level, int(RATE * seconds)))


def vowel(seconds: float = 2.0) -> bytes:
    """A gliding pitch through three formants: enough of a voice for both detectors."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 120 + 25 * np.sin(2 * np.pi * 2.3 * time)
    phase = np.cumsum(2 * np.pi * pitch / RATE)
    wave = np.zeros_like(time)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        gain = sum(np.exp(-(((frequency - formant) / 130) ** 2)) for formant in (650, 1_150, 2_500))
        wave += (gain + 0.02) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3 * time) + 0.6, 0, 1)
    return as_pcm(wave / np.abs(wave).max() * 9_000 * syllables)


@pytest.fixture(scope="module")
def speech() -> bytes:
    """A sentence of a real synthesiser."""
    engine = EspeakEngine()
    engine.load()
    pieces: list[bytes] = []
    engine.synthesize("What time is it in the kitchen, please?", "", threading.Event(), pieces.append)
    resampler = StreamResampler(engine.sample_rate, RATE, align=True)
    return resampler.process(b"".join(pieces)) + resampler.flush()


def gate_share(gate: FastVoiceGate, pcm: bytes) -> float:
    steps = range(0, len(pcm) - 639, 640)
    return sum(gate.voiced_ms(pcm[at : at + 640]) for at in steps) / (20 * len(steps))


def test_the_gate_opens_for_a_voice_and_stays_shut_in_silence_and_hiss() -> None:
    assert gate_share(FastVoiceGate(), vowel()) > 0.5
    assert gate_share(FastVoiceGate(), noise(3)) == 0
    assert gate_share(FastVoiceGate(), noise(1_000)) < 0.1


def test_the_gate_ignores_a_voice_below_its_floor() -> None:
    whisper = as_pcm(np.frombuffer(vowel(), np.int16) * 0.002)
    assert gate_share(FastVoiceGate(), whisper) == 0


def test_the_gate_wants_whole_steps() -> None:
    gate = FastVoiceGate()
    assert gate.voiced_ms(bytes(320)) == 0
    assert not gate.is_voice(b"")
    with pytest.raises(ValueError, match="321"):
        gate.voiced_ms(bytes(321))


def test_is_voice_needs_half_of_the_frame() -> None:
    gate = FastVoiceGate()
    pcm = vowel()
    voiced = [gate.is_voice(pcm[at : at + 640]) for at in range(0, len(pcm) - 639, 640)]
    assert sum(voiced) > len(voiced) / 2


def test_silero_tells_a_voice_from_a_tone_and_hiss(speech: bytes) -> None:
    detector = SileroVoiceActivity()
    tone = as_pcm(6_000 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE))
    assert np.mean(np.array(detector.push(speech)) > 0.5) > 0.6
    for other in (tone, noise(1_000), bytes(64_000)):
        detector.reset()
        assert max(detector.push(other)) < 0.5


def test_silero_takes_pieces_of_any_length() -> None:
    whole, pieces = SileroVoiceActivity(), SileroVoiceActivity()
    pcm = vowel(1.0)
    expected = whole.push(pcm)
    heard = [value for at in range(0, len(pcm), 640) for value in pieces.push(pcm[at : at + 640])]
    assert heard == pytest.approx(expected, abs=1e-5)
    assert len(heard) == 16_000 // 512
    assert pieces.probability == heard[-1]


def test_a_broken_model_file_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ConfigError, match=r"model\.onnx"):
        SileroVoiceActivity(path)


@pytest.mark.parametrize("mains_hz", [50, 60, 100, 120])
def test_a_hum_is_no_speech_for_long(mains_hz: int) -> None:
    time = np.arange(3 * 16_000) / 16_000
    hum = sum((np.sin(2 * np.pi * mains_hz * k * time + k) / k for k in range(1, 7)), np.zeros(1)) * 1_500
    spoken = [probability >= 0.5 for probability in SileroVoiceActivity().push(hum.astype(np.int16).tobytes())]
    assert not any(spoken[SileroVoiceActivity._STEADY_WINDOWS :])
