"""Real speech through the real engine, as files of every kind bring it."""

from __future__ import annotations

import os
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from her_os.audio.sound_file import probe, read_channel
from her_os.audio.voice_activity import FastVoiceGate
from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.transcripts import CallFacts, Transcript
from her_os.daemons.transcript_recogniser import create_recogniser
from her_os.engines.stt_pocketsphinx import PocketsphinxEngine
from her_os.engines.transcript_streaming import StreamingRecogniser
from her_os.settings import Settings
from her_os.settings.load import embedded_config_dir
from her_os.settings.schema import Transcripts
from her_os.transcripts.inbox import find_recordings, wait_until_written
from her_os.transcripts.speech import ONE_SPEAKER, Recording, transcribe
from tests.e2e.voices import speak

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
CALL = CallFacts(call_id="c1", caller_name="Priya", assistant_name="her")
TIMER, ANSWER = "set a timer for ten minutes", "what time is it"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketsphinxEngine]:
    loaded = PocketsphinxEngine(embedded_config_dir() / "domain-phrases.txt", tmp_path_factory.mktemp("stt"))
    loaded.load()
    yield loaded
    loaded.unload()


async def voice(text: str, name: str) -> np.ndarray:
    return np.frombuffer(await speak(text, name), dtype=np.int16)


def write_wav(path: Path, *channels: np.ndarray) -> Path:
    length = max(len(channel) for channel in channels)
    columns = [np.pad(channel, (0, length - len(channel))) for channel in channels]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.column_stack(columns).astype(np.int16).tobytes())
    return path


def transcript_of(path: Path, engine: PocketsphinxEngine, call: CallFacts = CallFacts()) -> Transcript:  # noqa: B008
    sound = probe(path)
    recording = Recording(
        source=str(path),
        recorded_at=0,
        duration_ms=sound.duration_ms,
        channels=sound.channels,
        read=lambda channel: read_channel(sound, channel),
    )
    recogniser = StreamingRecogniser(engine, lambda: FastVoiceGate(mode=1))
    return transcribe(recording, call, recogniser, "en", lambda _: None)


async def test_a_call_has_its_speakers_exactly_also_where_they_overlap(
    engine: PocketsphinxEngine, tmp_path: Path
) -> None:
    quiet = np.zeros(16_000, np.int16)
    caller = np.concatenate((quiet, await voice(TIMER, "slt")))
    assistant = np.concatenate((quiet[:12_000], await voice(ANSWER, "rms")))
    transcript = transcript_of(write_wav(tmp_path / "call.wav", caller, assistant), engine, CALL)
    said = {segment.speaker: segment for segment in transcript.segments}
    assert {name: segment.text for name, segment in said.items()} == {"caller": TIMER, "assistant": ANSWER}
    assert said["caller"].start_ms < said["assistant"].end_ms, "the overlap is kept"
    assert [speaker.name for speaker in transcript.speakers] == ["Priya", "her"]
    assert transcript.notices == ()
    for segment in transcript.segments:
        assert [word.text for word in segment.words] == segment.text.split()
        assert all(word.start_ms < word.end_ms <= transcript.duration_ms for word in segment.words)
    assert 900 <= said["caller"].start_ms <= 1400


@needs_ffmpeg
@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "m4a", "mkv"])
async def test_every_kind_of_file(kind: str, engine: PocketsphinxEngine, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "source.wav", await voice(TIMER, "slt"))
    target = tmp_path / f'it\'s "one" 🎧 %d.{kind}'
    subprocess.run(  # noqa: ASYNC221
        ["ffmpeg", "-v", "error", "-i", source, "-ar", "44100", f"file:{target}"], check=True
    )
    transcript = transcript_of(target, engine)
    assert [segment.text for segment in transcript.segments] == [TIMER]
    assert abs(transcript.duration_ms - probe(source).duration_ms) < 150
    assert transcript.notices == (ONE_SPEAKER,)


async def test_stereo_that_is_no_call_is_heard_as_a_whole(engine: PocketsphinxEngine, tmp_path: Path) -> None:
    said = await voice(TIMER, "slt")
    transcript = transcript_of(write_wav(tmp_path / "s.wav", np.zeros_like(said), said), engine)
    assert [segment.text for segment in transcript.segments] == [TIMER]


async def test_a_long_pause_makes_two_segments(engine: PocketsphinxEngine, tmp_path: Path) -> None:
    first, second = await voice(TIMER, "slt"), await voice(ANSWER, "slt")
    sound = np.concatenate((first, np.zeros(24_000, np.int16), second))
    transcript = transcript_of(write_wav(tmp_path / "s.wav", sound), engine)
    assert [segment.text for segment in transcript.segments] == [TIMER, ANSWER]
    assert transcript.segments[1].start_ms > len(first) // 16 + 1000


async def test_a_cut_recording_plays_up_to_the_cut(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "s.wav", await voice(TIMER, "slt"))
    content = whole.read_bytes()
    whole.write_bytes(content[: 44 + 16_001])
    assert probe(whole).duration_ms == 500
    whole.write_bytes(content[:30])
    with pytest.raises(RecognitionError, match="cut off"):
        probe(whole)


@needs_ffmpeg
def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    empty.touch()
    text.write_text("this is no sound\n" * 50)
    nothing = write_wav(tmp_path / "nothing.wav", np.zeros(0, np.int16))
    for path, words in ((empty, "is empty"), (text, "not a sound file"), (nothing, "0 seconds")):
        with pytest.raises(RecognitionError, match=words):
            probe(path)
    with pytest.raises(RecognitionError, match="cannot be read"):
        probe(tmp_path / "away.wav")


def test_an_engine_that_is_not_there_is_named() -> None:
    for name in ("faster-whisper", "parakeet"):
        with pytest.raises(ConfigError, match="not installed"):
            create_recogniser(Settings(transcripts=Transcripts(engine=name)))
    with pytest.raises(ConfigError, match=r"known engines: .*pocketsphinx"):
        create_recogniser(Settings(transcripts=Transcripts(engine="magic")))


async def test_the_inbox_finds_recordings_and_waits_for_the_last_byte(tmp_path: Path) -> None:
    for name in ("b.WAV", "a.mp3", ".hidden.wav", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.flac").write_bytes(b"x")
    found = find_recordings([tmp_path, tmp_path / "notes.txt", tmp_path / "a.mp3"])
    assert [path.name for path in found] == ["a.mp3", "b.WAV", "c.flac", "notes.txt"]
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        find_recordings([tmp_path / "away"])
    os.utime(tmp_path / "a.mp3", (100, 100))
    times = iter([100.5, 101.5, 102.5])
    await wait_until_written(tmp_path / "a.mp3", now=lambda: next(times), poll_s=0)
    assert next(times, None) is None
