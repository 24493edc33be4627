"""What of the streaming transducer needs neither torch nor a model: features as they come, batches, mistakes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.stt_incremental_features import IncrementalFeatures
from her_os.engines.stt_nemotron import NemotronEngine
from her_os.engines.stt_nemotron_steps import Step, Steps
from her_os.engines.transcript_engines import create_recogniser
from her_os.settings import Settings
from her_os.settings.schema import SpeechToText

HOP, FFT = 160, 512


def spectrogram(samples: Any) -> Any:
    """As torch.stft, centred, after pre-emphasis: (1, bands, frames)."""
    emphasised = np.concatenate([samples[:1], samples[1:] - 0.97 * samples[:-1]])
    padded = np.pad(emphasised, FFT // 2)
    starts = range(0, len(emphasised) // HOP * HOP + 1, HOP)
    return np.stack([np.abs(np.fft.rfft(padded[at : at + FFT])[:40]) for at in starts], 1)[None]


@pytest.mark.parametrize("push", [1, 37, 320, 5000])
@pytest.mark.parametrize("length", [1, 255, 1600, 7999])
def test_frames_as_they_come_are_the_frames_of_the_whole(push: int, length: int) -> None:
    samples = np.random.default_rng(2).integers(-9000, 9000, length).astype("<i2")
    features = IncrementalFeatures(spectrogram, HOP, FFT)
    parts = [features.push(samples[at : at + push].tobytes()) for at in range(0, length, push)]
    parts.append(features.push(b"", last=True))
    whole = spectrogram(samples.astype(np.float32) / 32_768)
    together = np.concatenate([part for part in parts if part is not None], 2)
    np.testing.assert_allclose(together, whole, atol=1e-5)
    assert len(features._samples) <= 4 * HOP + FFT + push, "what nobody looks at any more is forgotten"


def test_nothing_heard_has_no_frames() -> None:
    features = IncrementalFeatures(spectrogram, HOP, FFT)
    assert features.push(b"") is None
    assert features.push(b"", last=True) is None


def step(frames: int = 8, *, drop: int = 2, last: bool = False) -> Step:
    return Step(np.zeros((1, 4, frames)), (None, None, None), None, drop, last)


def test_those_that_wait_at_one_moment_and_are_of_one_kind_are_one_batch() -> None:
    batches: list[int] = []
    entered, go_on = threading.Event(), threading.Event()

    def run(batch: Sequence[Step]) -> None:
        batches.append(len(batch))
        entered.set()
        assert go_on.wait(10)

    steps = Steps(run, at_once=3)
    threads = [threading.Thread(target=steps.do, args=(step(),))]
    threads[0].start()
    assert entered.wait(10)
    threads += [
        threading.Thread(target=steps.do, args=(one,)) for one in (*(step() for _ in range(4)), step(last=True))
    ]
    for thread in threads[1:]:
        thread.start()
    while len(steps._waiting) < 5:
        threading.Event().wait(0.005)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(batches) == [1, 1, 1, 3] or sorted(batches) == [1, 1, 2, 2]
    assert sum(batches) == 6
    assert steps.largest == max(batches)


def test_a_failure_is_told_to_each_and_the_next_step_is_done() -> None:
    failing = [True]

    def run(_batch: Sequence[Step]) -> None:
        if failing.pop():
            raise ValueError("no such layer")

    steps = Steps(run, at_once=2)
    with pytest.raises(RecognitionError, match="the recogniser failed: ValueError: no such layer"):
        steps.do(step())
    failing.append(False)
    steps.do(step())


def test_mistakes_are_told_without_the_package(tmp_path: Path) -> None:
    for asked, complaint in (
        (SpeechToText(engine="nemotron"), r"stt\.engine: nemotron is not installed here; run scripts/engine_env"),
        (SpeechToText(engine="nemotron", python="/elsewhere"), r"stt\.model: is empty; name the \.nemo file"),
        (SpeechToText(engine="nemotron", python="/elsewhere", model="./gone.nemo"), r"stt\.model: there is no file"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            NemotronEngine(Settings(stt=asked, source=str(tmp_path / "her-os.yaml")))


def test_it_hears_calls_and_no_files() -> None:
    settings = Settings(stt=SpeechToText(engine="nemotron", python="/elsewhere", model="./some.nemo"))
    with pytest.raises(
        ConfigError, match=r"stt\.engine: is 'nemotron', which hears calls and no files; .*transcripts\.eng"
    ):
        create_recogniser(RecogniserWishes.of(settings, "transcripts"))
