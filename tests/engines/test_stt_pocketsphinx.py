"""The embedded recogniser on real (synthetic) speech."""

from __future__ import annotations

import gc
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, RecognitionSession
from her_os.engines.stt_pocketsphinx import PocketsphinxEngine
from her_os.engines.stt_pocketsphinx_decoders import DecoderPair
from her_os.engines.stt_registry import create_stt_engine, domain_phrases_file
from her_os.settings import Settings
from her_os.settings.load import embedded_config_dir
from her_os.settings.schema import SpeechToText
from tests.speech import TEXTS, narrowband, silence, spoken

FRAME_BYTES = 640


@contextmanager
def session_of(engine: PocketsphinxEngine) -> Iterator[RecognitionSession]:
    session = engine.open_session("call-1", "en")
    try:
        yield session
    finally:
        session.close()


def hear(session: RecognitionSession, pcm: bytes, frame_bytes: int = FRAME_BYTES) -> tuple[list[Partial], Final]:
    partials = [
        partial for at in range(0, len(pcm), frame_bytes) for partial in session.accept(pcm[at : at + frame_bytes])
    ]
    return partials, session.finalize()


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("band", ["wideband", "narrowband"])
def test_phrases_of_the_household_are_understood(recogniser: PocketsphinxEngine, name: str, band: str):
    pcm = spoken(name) if band == "wideband" else narrowband(spoken(name))
    with session_of(recogniser) as session:
        partials, final = hear(session, pcm)
    wrong = [word for word, said in zip(final.text.split(), TEXTS[name].split(), strict=True) if word != said]
    assert len(wrong) <= (band == "narrowband")  # a telephone cuts off what tells s from f
    assert final.audio_ms == len(pcm) // 32
    assert 0 <= final.start_ms <= final.words[0].start_ms < final.words[-1].end_ms <= final.audio_ms
    for before, after in itertools.pairwise(final.words):
        assert before.end_ms <= after.start_ms
    assert all(0 <= word.confidence <= 1 for word in final.words)
    assert partials
    for before, after in itertools.pairwise(partials):
        assert f"{after.text} ".startswith(f"{before.text} ") or not before.text
        assert (before.text, before.tentative) != (after.text, after.tentative)
        assert after.audio_ms > before.audio_ms


def test_one_session_serves_many_utterances_on_one_clock(recogniser: PocketsphinxEngine):
    with session_of(recogniser) as session:
        ended_ms = 0
        for number, name in enumerate(TEXTS):
            partials, final = hear(session, spoken(name))
            assert (final.utterance, final.text) == (number, TEXTS[name])
            assert ended_ms <= final.start_ms <= final.words[0].start_ms
            assert all(partial.utterance == number and partial.start_ms == final.start_ms for partial in partials)
            ended_ms = final.audio_ms


def test_frames_of_any_length_give_the_same_words(recogniser: PocketsphinxEngine):
    pcm = spoken("what-time-is-it")
    finals: list[Final] = []
    for frame_bytes in (2, 640, 3200, 1_000_000):
        with session_of(recogniser) as session:
            finals.append(hear(session, pcm, frame_bytes)[1])
    assert finals == [finals[0]] * 4


def test_a_session_hears_nothing_of_another(recogniser: PocketsphinxEngine):
    """The very same result, confidences included, from fresh decoders, used ones, and beside another session."""
    pcm = spoken("set-a-timer")
    with session_of(recogniser) as session:
        wanted = hear(session, pcm)
    with session_of(recogniser) as other:
        other.accept(spoken("thank-you-goodbye") + narrowband(spoken("what-time-is-it")))
        with session_of(recogniser) as beside:
            assert hear(beside, pcm) == wanted
    with session_of(recogniser) as session:
        assert hear(session, pcm) == wanted


def test_silence_is_no_words(recogniser: PocketsphinxEngine):
    with session_of(recogniser) as session:
        assert session.finalize() == Final(0, 0, "", 0)
        partials, final = hear(session, silence(3000))
        assert (partials, final.text, final.words, final.audio_ms) == ([], "", (), 3000)
        assert hear(session, bytes(32_000))[1].text == ""


def test_a_pause_within_an_utterance_keeps_both_parts(recogniser: PocketsphinxEngine):
    pcm = spoken("what-time-is-it", after_ms=2500) + spoken("thank-you-goodbye")
    with session_of(recogniser) as session:
        partials, final = hear(session, pcm)
    assert final.text == "what time is it thank you goodbye"
    assert partials[-1].text.startswith("what time is it")
    first, second = final.words[3], final.words[4]
    assert second.start_ms - first.end_ms > 2000


@pytest.mark.soak
def test_an_utterance_without_end_stays_bounded_and_is_heard(recogniser: PocketsphinxEngine):
    parts = 12
    with session_of(recogniser) as session:
        _, final = hear(session, spoken("set-a-timer", before_ms=300, after_ms=800) * parts, 3200)
    assert final.text.count("ten minutes") >= parts - 1


def test_a_closed_session_says_so_and_closes_twice(recogniser: PocketsphinxEngine):
    session = recogniser.open_session("call-1", "en-GB")
    session.accept(spoken("what-time-is-it")[:32_000])
    session.close()
    session.close()
    with pytest.raises(RecognitionError, match="closed"):
        session.accept(b"\0\0")
    with pytest.raises(RecognitionError, match="closed"):
        session.finalize()


@pytest.mark.soak
def test_a_hundred_sessions_leave_memory_where_it_was(recogniser: PocketsphinxEngine):
    pcm = spoken("what-time-is-it", before_ms=100, after_ms=0)

    def sessions(count: int) -> int:
        for number in range(count):
            with session_of(recogniser) as session:
                session.accept(pcm[:16_000])
                if number % 2:
                    session.finalize()
        gc.collect()
        return psutil.Process().memory_info().rss

    before = sessions(10)
    assert sessions(110) - before < 8 << 20


def test_languages_it_does_not_have_are_refused(recogniser: PocketsphinxEngine):
    with pytest.raises(ConfigError, match="knows en, not 'de'"):
        recogniser.open_session("call-1", "de")


def test_a_decoder_that_failed_is_not_used_again(recogniser: PocketsphinxEngine, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no more memory")

    with session_of(recogniser) as session:
        broken: DecoderPair = session._decoders  # type: ignore[attr-defined]
        broken_decoder = type("Broken", (), dict.fromkeys(("start_utt", "set_cmn", "reinit_feat"), fail))()
        monkeypatch.setattr(broken, "_domain", broken_decoder)
        with pytest.raises(RecognitionError, match="no more memory"):
            session.accept(spoken("what-time-is-it"))
    with session_of(recogniser) as session:
        assert session._decoders is not broken  # type: ignore[attr-defined]
        assert hear(session, spoken("what-time-is-it"))[1].text == "what time is it"


def test_before_load_and_after_unload_there_is_no_session(tmp_path: Path, recogniser_cache: Path):
    (tmp_path / "phrases.txt").write_text("hello there\n")
    engine = PocketsphinxEngine(tmp_path / "phrases.txt", recogniser_cache)
    with pytest.raises(RecognitionError, match="not loaded"):
        engine.open_session("call-1", "en")
    engine.load()
    session = engine.open_session("call-1", "en")
    engine.unload()
    engine.unload()
    session.close()
    with pytest.raises(RecognitionError, match="not loaded"):
        engine.open_session("call-1", "en")


def test_compiled_models_are_kept_by_content_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    phrases, cache = tmp_path / "phrases.txt", tmp_path / "cache"
    phrases.write_text("hello there\ncall zyxxy\n")
    with caplog.at_level(logging.WARNING):
        PocketsphinxEngine(phrases, cache).load()
    assert "phrases.txt:2: nobody told how 'zyxxy' sounds" in caplog.text
    compiled = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    PocketsphinxEngine(phrases, cache).load()
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == compiled
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]

    phrases.write_text("hello there\ncall zyxxy\nzyxxy = Z IH K S IY\n")
    caplog.clear()
    PocketsphinxEngine(phrases, cache).load()
    assert "zyxxy" not in caplog.text
    assert len(list(cache.glob("stt-domain-*"))) == 2

    for model in cache.glob("stt-domain-*/domain.lm"):
        model.write_text("cut off")
    PocketsphinxEngine(phrases, cache).load()
    assert "compiling them anew" in caplog.text


def test_a_cache_that_cannot_be_written_is_the_operators_business(tmp_path: Path):
    (tmp_path / "cache").write_text("a file in the way")
    (tmp_path / "phrases.txt").write_text("hello\n")
    with pytest.raises(ConfigError, match="set HER_OS_CACHE_DIR"):
        PocketsphinxEngine(tmp_path / "phrases.txt", tmp_path / "cache").load()


def test_the_registry_knows_its_engines(tmp_path: Path):
    assert create_stt_engine(Settings()).name == "pocketsphinx"
    with pytest.raises(ConfigError, match=r"stt.engine: is 'whisperer'; known engines: faster-whisper, nemotron, "):
        create_stt_engine(Settings(stt=SpeechToText(engine="whisperer")))
    source = str(tmp_path / "her-os.yaml")
    assert domain_phrases_file(Settings(source=source)) == embedded_config_dir() / "domain-phrases.txt"
    (tmp_path / "domain-phrases.txt").write_text("hello\n")
    assert domain_phrases_file(Settings(source=source)) == tmp_path / "domain-phrases.txt"
    named = Settings(source=source, stt=SpeechToText(domain_phrases=Path("mine.txt")))
    assert domain_phrases_file(named) == tmp_path / "mine.txt"
