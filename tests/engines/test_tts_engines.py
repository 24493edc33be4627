"""The embedded voices for real: flite where it is installed (start.sh sees to that), espeak-ng from its wheel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from her_os.audio.speech_check import check_speech
from her_os.contracts.errors import ConfigError, EngineError
from her_os.contracts.text_to_speech import SynthesisReport, TextToSpeechEngine
from her_os.engines import tts_registry
from her_os.engines.tts_espeak import EspeakEngine
from her_os.engines.tts_flite import FliteEngine, flite_is_installed
from her_os.engines.tts_registry import create_tts_engine
from her_os.settings import Settings
from her_os.settings.schema import TextToSpeech

SENTENCE = "This is a test of the voice, and it can be heard."
LONG = "The quick brown fox jumps over the lazy dog near the river bank, " * 60
NEVER = threading.Event()


def create(name: str) -> TextToSpeechEngine:
    return create_tts_engine(Settings(tts=TextToSpeech(engine=name)))


@pytest.fixture(scope="module", params=["flite", "espeak"])
def engine(request: pytest.FixtureRequest) -> Iterator[TextToSpeechEngine]:
    if request.param == "flite" and not flite_is_installed():
        pytest.skip("libflite1 is not installed")
    made = create(request.param)
    made.load()
    yield made
    made.unload()
    made.unload()


def speak(engine: TextToSpeechEngine, text: str, voice: str = "") -> tuple[SynthesisReport, list[bytes]]:
    chunks: list[bytes] = []
    return engine.synthesize(text, voice, NEVER, chunks.append), chunks


def test_every_voice_can_be_heard(engine: TextToSpeechEngine) -> None:
    for voice in engine.voices:
        report, chunks = speak(engine, SENTENCE, voice)
        measure = check_speech(b"".join(chunks), f"audio/pcm;rate={engine.sample_rate}", SENTENCE)
        assert measure.problems == (), voice
        assert report.samples * 2 == sum(len(chunk) for chunk in chunks)
        assert not report.cancelled


def test_a_second_engine_of_the_process_leaves_the_first_its_voice(engine: TextToSpeechEngine) -> None:
    second = create(engine.name)
    second.load()
    assert speak(engine, SENTENCE)[1]
    assert speak(second, SENTENCE)[1]
    second.unload()
    assert speak(engine, SENTENCE)[1], "what is shared outlives one of its users"


def test_audio_comes_in_many_small_chunks(engine: TextToSpeechEngine) -> None:
    report, chunks = speak(engine, SENTENCE)
    assert report.steps >= 20
    assert max(len(chunk) for chunk in chunks) <= engine.sample_rate * 2 // 5


def test_the_first_voice_is_the_default(engine: TextToSpeechEngine) -> None:
    named = speak(engine, SENTENCE, engine.voices[0])[0].samples
    other = speak(engine, SENTENCE, engine.voices[1])[0].samples
    assert speak(engine, SENTENCE)[0].samples == pytest.approx(named, rel=0.002)
    assert other != pytest.approx(named, rel=0.01)


def test_a_cancel_from_another_thread_ends_it_within_a_step(engine: TextToSpeechEngine) -> None:
    cancel, speaking = threading.Event(), threading.Event()
    reports: list[SynthesisReport] = []
    chunks: list[bytes] = []

    def emit(pcm: bytes) -> None:
        chunks.append(pcm)
        speaking.set()
        if len(chunks) == 3:
            cancel.wait(10)

    thread = threading.Thread(target=lambda: reports.append(engine.synthesize(LONG, "", cancel, emit)))
    thread.start()
    assert speaking.wait(10)
    cancel.set()
    thread.join(10)
    assert not thread.is_alive()
    assert reports[0].cancelled
    assert reports[0].steps_after_cancel == 0
    assert len(chunks) <= 4
    assert speak(engine, "It still works.")[0].samples > 0


def test_a_cancel_before_the_start_makes_no_sound(engine: TextToSpeechEngine) -> None:
    cancel = threading.Event()
    cancel.set()
    chunks: list[bytes] = []
    report = engine.synthesize(LONG, "", cancel, chunks.append)
    assert (report, chunks) == (SynthesisReport(0, 0, cancelled=True), [])


def test_what_emit_raises_comes_out_and_the_engine_goes_on(engine: TextToSpeechEngine) -> None:
    def emit(_pcm: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.synthesize(SENTENCE, "", NEVER, emit)
    assert speak(engine, "It still works.")[0].samples > 0


def test_an_unknown_voice_is_refused_with_the_known_ones(engine: TextToSpeechEngine) -> None:
    with pytest.raises(ConfigError, match=engine.voices[0]):
        speak(engine, "Hello.", "nobody")


@pytest.mark.parametrize(
    "text", ["", "   ", "...", "\N{PARTY POPPER}", "caf\u00e9, na\u00efve \u2014 stra\u00dfe", "\x01\x02", "a" * 500]
)
def test_odd_texts_do_no_harm(engine: TextToSpeechEngine, text: str) -> None:
    report, _ = speak(engine, text)
    assert report.samples < 120 * engine.sample_rate
    assert speak(engine, "Hello.")[0].samples > 0


def test_a_second_engine_object_sounds_the_same(engine: TextToSpeechEngine) -> None:
    """Espeak-ng is initialised once a process, flite's voices are registered again: neither may give garbage."""
    expected = speak(engine, SENTENCE)[0].samples
    for _ in range(3):
        again = create(engine.name)
        again.load()
        assert speak(again, SENTENCE)[0].samples == pytest.approx(expected, rel=0.002)
    engine.load()


@pytest.mark.parametrize("kind", [FliteEngine, EspeakEngine])
def test_an_engine_that_is_not_loaded_says_so(kind: type[FliteEngine | EspeakEngine]) -> None:
    with pytest.raises(EngineError, match="loaded"):
        speak(kind(), "Hello.")
    with pytest.raises(EngineError, match="loaded"):
        _ = kind().sample_rate


def test_flite_falls_back_to_espeak_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tts_registry, "flite_is_installed", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert create("flite").name == "espeak"
    assert "libflite1" in caplog.text


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"tts\.engine.*espeak, flite"):
        create("festival")
