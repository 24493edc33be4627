"""Recognisers made for recordings: what they say where they are not installed, and each in an environment of its own.

The second half is the tier `engines`: `./start.sh test --engines` builds the environments, which takes minutes once.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.transcript_blocks import cut_at_rests
from her_os.engines.transcript_extra import model_folder
from her_os.settings import Settings
from her_os.settings.schema import Transcripts
from tests.cli.test_commands import ROOT, her_os
from tests.e2e.voices import speak

TIMER, DENTIST = "set a timer for ten minutes", "please call the dentist tomorrow"
Environment = Callable[[str], Path]


def test_nothing_is_lost_at_the_cuts_and_they_are_where_nobody_speaks() -> None:
    sound = np.random.default_rng(1).integers(-20_000, 20_000, 70 * CONVERSATION_RATE).astype(np.int16)
    rests = [17, 35, 52]
    for rest in rests:
        sound[rest * CONVERSATION_RATE : (rest + 1) * CONVERSATION_RATE] = 0
    pcm = sound.tobytes()
    pieces = [pcm[at : at + 9_999] for at in range(0, len(pcm), 9_999)]  # samples are cut in two
    blocks = list(cut_at_rests(pieces, 20))
    assert (np.concatenate([samples for _, samples in blocks]) * 32_768).astype(np.int16).tobytes() == pcm
    assert [start // 1000 for start, _ in blocks] == [0, *rests]
    assert all(len(samples) <= 20 * CONVERSATION_RATE for _, samples in blocks)
    assert list(cut_at_rests([], 20)) == []


def test_a_name_is_never_taken_for_a_folder_that_lies_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.en").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_folder(RecogniserWishes.of(Settings(), "transcripts"), "small.en") == ("small.en", None)
    here = Settings(transcripts=Transcripts(model="./small.en"), source=str(tmp_path / "her-os.yaml"))
    assert model_folder(RecogniserWishes.of(here, "transcripts"), "") == ("small.en", tmp_path / "small.en")
    gone = Settings(transcripts=Transcripts(model="./gone"), source=str(tmp_path / "her-os.yaml"))
    with pytest.raises(ConfigError, match=r"transcripts\.model: .*gone is no folder with a model"):
        model_folder(RecogniserWishes.of(gone, "transcripts"), "")


def write_call(path: Path, *channels: bytes) -> Path:
    sides = [np.frombuffer(channel, np.int16) for channel in channels]
    length = max(map(len, sides))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sides))
        file.setsampwidth(2)
        file.setframerate(CONVERSATION_RATE)
        file.writeframes(np.column_stack([np.pad(side, (0, length - len(side))) for side in sides]).tobytes())
    return path


@pytest.fixture(scope="session")
def environment() -> Environment:
    def build(name: str) -> Path:
        folder = ROOT / ".cache" / "engines" / name
        subprocess.run([ROOT / "scripts" / "engine_environment.sh", name, folder], check=True)
        return folder / "bin" / "python"

    return build


def config(folder: Path, engine: str, python: Path, model: Path, more: str = "") -> Path:
    file = folder / "her-os.yaml"
    file.write_text(f"transcripts:\n  engine: {engine}\n  python: {python}\n  model: {model}\n  summary: false\n{more}")
    return file


def transcribed(config_file: Path, recording: Path) -> dict[str, object]:
    done = her_os("transcribe", str(recording), "--json", "--config", str(config_file))
    return json.loads(done.stdout) if done.stdout else {"status": done.stderr}


@pytest.mark.engines
@pytest.mark.timeout(600)
async def test_faster_whisper_hears_words_with_times_and_never_loads_torch(
    environment: Environment, tmp_path: Path
) -> None:
    python = environment("faster-whisper")
    second = bytes(2 * CONVERSATION_RATE)
    recordings = tmp_path / "state" / "recordings"
    recordings.mkdir(parents=True)
    caller, assistant = second + await speak(TIMER), 5 * second + await speak(DENTIST)
    recording = write_call(recordings / "call.wav", caller, assistant)
    file = config(tmp_path, "faster-whisper", python, ROOT / "tests" / "data" / "tiny-whisper")
    result = transcribed(file, recording)
    assert result["status"] == "done", result
    transcript = result["transcript"]
    assert isinstance(transcript, dict)
    assert transcript["engine"] == "faster-whisper"
    said = {segment["speaker"]: segment for segment in transcript["segments"]}
    assert {speaker: segment["text"] for speaker, segment in said.items()} == {"caller": TIMER, "assistant": DENTIST}
    for speaker, begin_ms in (("caller", 1000), ("assistant", 5000)):
        words = said[speaker]["words"]
        assert [word["text"] for word in words] == said[speaker]["text"].split()
        times = [time for word in words for time in (word["start_ms"], word["end_ms"])]
        assert times == sorted(times)
        assert begin_ms - 500 <= times[0] <= times[-1] <= transcript["duration_ms"] + 500
    assert not list(python.parents[1].glob("lib/python3*/site-packages/torch"))
    assert importlib.util.find_spec("torch") is None


@pytest.mark.engines
@pytest.mark.timeout(600)
async def test_parakeet_counts_where_there_is_voice(environment: Environment, tmp_path: Path) -> None:
    python = environment("parakeet")
    second = bytes(2 * CONVERSATION_RATE)
    sound = second + await speak(TIMER) + 25 * second + await speak(DENTIST) + second
    recording = write_call(tmp_path / "long.wav", sound)
    file = config(tmp_path, "parakeet", python, ROOT / "tests" / "data" / "tiny-parakeet", "  batch_size: 2\n")
    result = transcribed(file, recording)
    assert result["status"] == "done", result
    transcript = result["transcript"]
    assert isinstance(transcript, dict)
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    counted = ["one", "two", "three"]
    assert len(transcript["segments"]) >= 2
    for segment in transcript["segments"]:
        said = segment["text"].split()
        assert said[:-1] == [counted[number % 3] for number in range(len(said) - 1)]
        assert counted[(len(said) - 1) % 3].startswith(said[-1]), "the last may be cut off"
    assert all(word["start_ms"] < word["end_ms"] for word in words)
    starts = [word["start_ms"] for word in words]
    assert starts == sorted(starts)
    assert 1000 <= starts[0] <= 2000
    late = len(await speak(TIMER)) // 32 + 26_000
    assert any(start >= late - 500 for start in starts)
    assert not [start for start in starts if 8000 < start < late - 500], "nothing is heard in the silence"


@pytest.mark.engines
@pytest.mark.timeout(600)
async def test_sherpa_onnx_tells_a_bright_voice_from_a_dull_one(environment: Environment, tmp_path: Path) -> None:
    python, models = environment("diarisation"), ROOT / "tests" / "data" / "tiny-diarisation"
    rest = np.zeros(CONVERSATION_RATE * 3 // 2, np.int16)
    parts = [bright(await speak(TIMER)), dull(await speak(DENTIST)), bright(await speak(DENTIST))]
    sound = np.concatenate([piece for part in parts for piece in (rest, part)])
    recording = write_call(tmp_path / "meeting.wav", sound.tobytes())
    file = tmp_path / "her-os.yaml"
    file.write_text(
        f"transcripts:\n  python: {python}\n  segmentation_model: {models}/segmentation.onnx\n"
        f"  embedding_model: {models}/embedding.onnx\n  speakers: 2\n"
    )
    result = transcribed(file, recording)
    assert result["status"] == "done", result
    transcript = result["transcript"]
    assert isinstance(transcript, dict)
    assert [speaker["evidence"] for speaker in transcript["speakers"]] == ["diarised"] * 2
    assert any("can be wrong" in notice for notice in transcript["notices"])
    order = [segment["speaker"] for segment in transcript["segments"]]
    assert [who for number, who in enumerate(order) if number == 0 or order[number - 1] != who] == [
        "speaker-1", "speaker-2", "speaker-1",
    ]  # fmt: skip
    file.write_text(file.read_text().replace("embedding.onnx", "gone.onnx"))
    failed = her_os("transcribe", "--again", str(recording), "--json", "--config", str(file))
    assert "transcripts.embedding_model" in failed.stdout
    assert "gone.onnx is no .onnx file" in failed.stdout


def bright(pcm: bytes) -> np.ndarray:
    """Differences of differences: no low tones."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    return np.clip(6 * np.diff(samples, 2, prepend=[0, 0]), -32_768, 32_767).astype(np.int16)


def dull(pcm: bytes) -> np.ndarray:
    """Averages of sixteen: no high tones."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    return np.clip(2 * np.convolve(samples, np.ones(16) / 16, "same"), -32_768, 32_767).astype(np.int16)


@pytest.mark.engines
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "model"), [("faster-whisper", "tiny-whisper"), ("parakeet", "tiny-parakeet")])
async def test_a_model_that_cannot_be_loaded_is_named_with_its_line(
    name: str, model: str, environment: Environment, tmp_path: Path
) -> None:
    python = environment(name)
    recording = write_call(tmp_path / "a.wav", await speak(TIMER))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in (ROOT / "tests" / "data" / model).iterdir():
        (broken / file.name).write_bytes(b"not this")
    for folder in (tmp_path / "empty", broken):
        folder.mkdir(exist_ok=True)
        result = transcribed(config(tmp_path, name, python, folder), recording)
        assert (result["status"], result["code"]) == ("failed", "config")
        assert str(result["reason"]).startswith(
            f"{tmp_path}/her-os.yaml:4: transcripts.model: {folder} cannot be loaded"
        )
