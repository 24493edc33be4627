"""A tiny streaming transducer through NeMo, on its own interpreter: `test_nemotron.py` runs this file there."""

from __future__ import annotations

import gc
import importlib.util
import random
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from nemo.collections.asr.parts.utils.streaming_utils import CacheAwareStreamingAudioBuffer

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import Final, Partial
from her_os.engines.stt_nemotron import LOOK_AHEAD, NemotronEngine
from her_os.engines.tts_flite import FliteEngine
from her_os.settings import Settings
from her_os.settings.schema import SpeechToText

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "data" / "tiny-nemotron" / "tiny.nemo"
PUSH = 640
"""20 ms."""


def engine_of(latency_ms: int, model: Path = MODEL) -> NemotronEngine:
    return NemotronEngine(Settings(stt=SpeechToText(engine="nemotron", model=str(model), latency_ms=latency_ms)))


@pytest.fixture(scope="module")
def sentences() -> list[tuple[str, bytes]]:
    """Sentences that the model was not trained on, in its words, spoken."""
    spec = importlib.util.spec_from_file_location("maker", ROOT / "scripts" / "make_tiny_nemotron.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    voice, chance = FliteEngine(), random.Random(99)
    voice.load()
    spoken: list[tuple[str, bytes]] = []
    for number in range(6):
        text = " ".join(chance.choices(maker.WORDS, k=4))
        chunks: list[bytes] = []
        voice.synthesize(text, maker.VOICES[number % 2], threading.Event(), chunks.append)
        spoken.append((text, b"".join(chunks)))
    return spoken


@pytest.fixture(scope="module", params=sorted(LOOK_AHEAD))
def engine(request: pytest.FixtureRequest) -> Iterator[NemotronEngine]:
    made = engine_of(request.param)
    made.load()
    yield made
    made.unload()
    made.unload()


def streamed(engine: NemotronEngine, pcm: bytes) -> tuple[Final, list[Partial]]:
    session = engine.open_session("one", "en")
    partials = [told for at in range(0, len(pcm), PUSH) for told in session.accept(pcm[at : at + PUSH])]
    final = session.finalize()
    session.close()
    return final, partials


def offline(engine: NemotronEngine, pcm: bytes) -> str:
    """The whole at once, by the library."""
    model = engine._model
    samples = torch.tensor(np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768)[None]
    with torch.inference_mode():
        encoded, lengths = model.forward(input_signal=samples, input_signal_length=torch.tensor([samples.shape[1]]))
        told = model.decoding.rnnt_decoder_predictions_tensor(
            encoder_output=encoded, encoded_lengths=lengths, return_hypotheses=True
        )
    return told[0].text


def by_the_librarys_buffer(engine: NemotronEngine, pcm: bytes) -> str:
    model = engine._model
    caches, hypotheses = model.encoder.get_initial_cache_state(batch_size=1), None
    buffer = CacheAwareStreamingAudioBuffer(model=model, online_normalization=False, pad_and_drop_preencoded=False)
    buffer.append_audio(np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768, stream_id=-1)
    for number, (chunk, length) in enumerate(iter(buffer)):
        with torch.inference_mode():
            _, told, *caches, hypotheses = model.conformer_stream_step(
                processed_signal=chunk,
                processed_signal_length=length,
                cache_last_channel=caches[0],
                cache_last_time=caches[1],
                cache_last_channel_len=caches[2],
                keep_all_outputs=buffer.is_buffer_empty(),
                previous_hypotheses=hypotheses,
                drop_extra_pre_encoded=model.encoder.streaming_cfg.drop_extra_pre_encoded if number else 0,
                return_transcription=True,
            )
    return told[0].text


def test_streamed_is_the_librarys_buffer_is_offline(engine: NemotronEngine, sentences: list[tuple[str, bytes]]) -> None:
    right = heard = 0
    for text, pcm in sentences:
        final, partials = streamed(engine, pcm)
        assert final.text == by_the_librarys_buffer(engine, pcm) == offline(engine, pcm)
        assert [word.text for word in final.words] == final.text.split()
        times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[-1] <= final.audio_ms == len(pcm) // 32
        told = [partial.text for partial in partials]
        assert all(later.startswith(earlier) for earlier, later in pairwise(told))
        assert all(final.text.startswith(one) for one in told)
        assert len(partials) > 1
        right += len(set(final.text.split()) & set(text.split()))
        heard += len(final.text.split())
    assert heard >= len(sentences), "it hears something, so that equal texts mean something"
    assert right > 0, "though the tiny model is trained so briefly that it hears few words right"


def test_pushes_of_any_size_and_many_utterances_of_one_session(
    engine: NemotronEngine, sentences: list[tuple[str, bytes]]
) -> None:
    session, chance, at_ms = engine.open_session("one", "en"), random.Random(3), 0
    for number, (_, pcm) in enumerate(sentences[:3]):
        expected = streamed(engine, pcm)[0]
        at = 0
        while at < len(pcm):
            size = chance.choice((1, 2, 333, 640, 9000))
            session.accept(pcm[at : at + size])
            at += size
        final = session.finalize()
        assert (final.utterance, final.text, final.start_ms) == (number, expected.text, at_ms)
        at_ms += len(pcm) // 32
        assert abs(final.audio_ms - at_ms) <= number + 1
        at_ms = final.audio_ms
    assert session.finalize().text == ""
    session.close()
    session.close()
    with pytest.raises(RecognitionError):
        session.accept(bytes(640))


def test_sessions_at_once_are_batched_and_hear_what_they_hear_alone(
    engine: NemotronEngine, sentences: list[tuple[str, bytes]]
) -> None:
    alone = [streamed(engine, pcm)[0].text for _, pcm in sentences[:4]]
    together: dict[int, str] = {}
    gate = threading.Barrier(4)

    def call(number: int) -> None:
        gate.wait()
        together[number] = streamed(engine, sentences[number][1])[0].text

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[number] for number in range(4)] == alone
    assert engine.largest_batch > 1


def live_tensors() -> int:
    gc.collect()
    return sum(type(one) is torch.Tensor for one in gc.get_objects())


def test_caches_are_gone_when_the_session_is(engine: NemotronEngine, sentences: list[tuple[str, bytes]]) -> None:
    pcm = sentences[0][1][: 640 * 70]
    streamed(engine, pcm)
    before, memory = live_tensors(), psutil.Process().memory_info().rss
    for _ in range(20):
        session: Any = engine.open_session("one", "en")
        session.accept(pcm)
        session.close()
        assert session._caches is None
    del session
    assert live_tensors() <= before
    assert psutil.Process().memory_info().rss - memory < 30 << 20


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "cannot be loaded"), (b"no model" * 100, "cannot be loaded"), (None, "cannot be loaded")],
)
def test_a_broken_file_says_what_to_mend(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "cut.nemo"
    file.write_bytes(MODEL.read_bytes()[:50_000] if content is None else content)
    with pytest.raises(ConfigError, match=rf"cut\.nemo {said} \(") as refused:
        engine_of(160, file).load()
    assert refused.value.field == "stt.model"
