"""Chatterbox's own code, on tiny models, on its own interpreter: `test_chatterbox.py` runs this file there.

Every count of what happens after a cancel is taken by hooks of this file's, not by the engine's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from transformers import DynamicCache

from her_os.contracts.errors import ConfigError
from her_os.contracts.text_to_speech import SynthesisReport
from her_os.engines import tts_chatterbox as subject
from her_os.engines.tts_chatterbox import ChatterboxEngine
from her_os.engines.tts_chatterbox_seams import CHUNK_TOKENS, TOKEN_SAMPLES
from her_os.engines.tts_chatterbox_variants import VARIANTS
from her_os.settings import Settings
from her_os.settings.schema import TextToSpeech

MODELS = Path(os.environ["HER_OS_TINY_CHATTERBOX"])
TEXT = "Hello there."
NEVER = threading.Event()


def settings(engine: str, **wishes: Any) -> Settings:
    return Settings(tts=TextToSpeech(engine=engine, model=str(MODELS / engine), **wishes))


@dataclass
class Watched:
    """An engine, and what its library did: times of tokens, flow steps and vocoder blocks begun."""

    engine: ChatterboxEngine
    began: dict[str, list[float]] = field(default_factory=lambda: {"token": [], "flow": [], "vocoder": []})
    on_step: Callable[[str, int], None] | None = None

    def watch(self) -> None:
        tts = self.engine._tts
        for stage, module in (
            ("token", tts.t3.speech_head),
            ("flow", tts.s3gen.flow.decoder.estimator.mid_blocks[0][0]),
            ("vocoder", tts.s3gen.mel2wav.resblocks[0]),
        ):
            module.register_forward_hook(lambda *_given, stage=stage: self._note(stage))

    def _note(self, stage: str) -> None:
        self.began[stage].append(time.perf_counter())
        if self.on_step is not None:
            self.on_step(stage, len(self.began[stage]))

    def say(self, text: str = TEXT, cancel: threading.Event = NEVER) -> tuple[SynthesisReport, list[bytes]]:
        chunks: list[bytes] = []
        for times in self.began.values():
            times.clear()
        report = self.engine.synthesize(text, "", cancel, chunks.append)
        return report, chunks

    def asked(self, **wishes: Any) -> None:
        self.engine._asked = msgspec.structs.replace(self.engine._asked, **wishes)


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    engine = ChatterboxEngine.create(settings(request.param))
    engine.load()
    made = Watched(engine)
    made.watch()
    yield made
    engine.unload()
    engine.unload()


@pytest.fixture(autouse=True)
def as_configured(watched: Watched) -> Iterator[None]:
    yield
    watched.on_step = None
    watched.asked(streaming=True, guidance=0.5)


def library_generate(watched: Watched, text: str, **more: Any) -> bytes:
    """What the library itself makes of the text, in the same voice."""
    tts = watched.engine._tts
    tts.conds = next(iter(watched.engine._conditionals.values()))
    if watched.engine.name == "chatterbox-multilingual":
        more["language_id"] = "en"
    try:
        sound = tts.generate(text, **more)[0].numpy()
    finally:
        tts.conds = None
    return (np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes()


def test_sentence_by_sentence_is_the_librarys_own_sound_to_the_byte(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut at our own limit of tokens, which the library does not have."""
    watched.asked(streaming=False)
    torch.manual_seed(5)
    report, chunks = watched.say()
    t3 = watched.engine._tts.t3
    inference, turbo = t3.inference, t3.inference_turbo
    most = len(watched.began["token"]) - 1
    monkeypatch.setattr(t3, "inference", lambda **asked: inference(**{**asked, "max_new_tokens": most}))
    monkeypatch.setattr(t3, "inference_turbo", lambda **asked: turbo(**asked, max_gen_len=most))
    torch.manual_seed(5)
    expected = library_generate(watched, TEXT)
    assert len(chunks) == 1
    assert report.samples * 2 == len(chunks[0])
    if watched.engine.name == "chatterbox-turbo":
        assert len(expected) - len(chunks[0]) in {0, 2 * TOKEN_SAMPLES}  # the last token at the limit is not looked up
    else:
        assert chunks[0] == expected


def test_sound_comes_inside_the_sentence_and_its_seams_are_not_heard(watched: Watched) -> None:
    first: list[int] = []
    chunks: list[bytes] = []
    for times in watched.began.values():
        times.clear()

    def emit(pcm: bytes) -> None:
        first.append(len(watched.began["token"]))
        chunks.append(pcm)

    report = watched.engine.synthesize(TEXT, "", NEVER, emit)
    assert CHUNK_TOKENS <= first[0] < 2 * CHUNK_TOKENS  # random weights also make signs without sound
    assert len(chunks) > 3
    sound = np.frombuffer(b"".join(chunks), "<i2").astype(float)
    assert report.samples == len(sound)
    assert len(sound) % TOKEN_SAMPLES == 0
    assert np.abs(sound).max() > 100
    steps = np.abs(np.diff(sound))
    seams = np.cumsum([len(chunk) // 2 for chunk in chunks])[:-1]
    assert max(steps[seam - 2 : seam + 1].max() for seam in seams) <= np.quantile(steps, 0.9999) * 1.2


@pytest.mark.parametrize(("stage", "number"), [("token", 40), ("flow", 2), ("vocoder", 1)])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_cancel_is_followed_by_no_step_and_leaves_no_cache(
    watched: Watched, stage: str, number: int, streaming: bool
) -> None:
    cancel = threading.Event()
    cancelled_at: list[float] = []

    def on_step(at: str, count: int) -> None:
        if at == stage and count == number and not cancelled_at:
            cancelled_at.append(time.perf_counter())
            threading.Thread(target=cancel.set).start()
            cancel.wait(10)

    watched.asked(streaming=streaming)
    watched.on_step = on_step
    report, _ = watched.say(cancel=cancel)
    assert cancelled_at
    assert report.cancelled
    assert report.steps_after_cancel == 0
    assert [at for times in watched.began.values() for at in times if at > cancelled_at[0]] == []
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is DynamicCache]


def test_a_cancel_before_and_after_and_what_comes_next(watched: Watched) -> None:
    torch.manual_seed(7)
    before = watched.say()[1]
    cancel = threading.Event()
    cancel.set()
    report, chunks = watched.say(cancel=cancel)
    assert (report.cancelled, report.samples, chunks, watched.began["token"]) == (True, 0, [], [])
    torch.manual_seed(7)
    assert watched.say()[1] == before, "a cancelled synthesis changed the next one"
    freeing = watched.engine._caches
    assert freeing is not None
    freed = freeing.freed
    watched.say(cancel=cancel)
    freeing._thread.submit(lambda: None).result(10)
    assert freeing.freed == freed + 1


async def test_cancelling_the_task_alone_leaves_the_thread_running(watched: Watched) -> None:
    """The negative control: the awaiter is free at once, and the model goes on."""
    loop, cancel = asyncio.get_running_loop(), threading.Event()
    reached = asyncio.Event()
    watched.on_step = lambda stage, count: loop.call_soon_threadsafe(reached.set) if count == 30 else None
    with ThreadPoolExecutor(1) as executor:
        task = asyncio.ensure_future(loop.run_in_executor(executor, watched.say, TEXT, cancel))
        await reached.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        left = len(watched.began["token"])
    assert len(watched.began["token"]) > left + 20, "the thread made tokens after its task was gone"


def test_nothing_to_say_is_no_sound_though_the_library_makes_some(watched: Watched) -> None:
    for text in ("", "   ", "...", "-"):
        assert watched.say(text)[0].samples == 0
    assert watched.began["token"] == []


def test_no_guidance_is_spoken_though_the_library_raises(watched: Watched) -> None:
    watched.asked(guidance=0.0)
    assert watched.say("Hi.")[0].samples > 0
    if watched.engine.name == "chatterbox":
        with pytest.raises((IndexError, RuntimeError)):
            library_generate(watched, "Hi.", cfg_weight=0.0)


def test_no_hooks_are_left_though_the_library_leaves_some(watched: Watched) -> None:
    def hooks() -> int:
        return sum(len(module._forward_hooks) for module in watched.engine._tts.t3.modules())

    own = hooks()
    for _ in range(3):
        watched.say("Hi.")
    assert hooks() == own
    if watched.engine.name == "chatterbox-multilingual":
        analyser_hooks = 3
        library_generate(watched, "Hi.")
        assert hooks() == own + analyser_hooks
        for module in watched.engine._tts.t3.tfmr.modules():
            for key in list(module._forward_hooks)[len(module._forward_hooks) - 1 :]:
                if module.__class__.__name__ == "LlamaAttention":
                    del module._forward_hooks[key]
        assert hooks() == own


def test_running_out_of_memory_says_what_to_do(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def huge(_stage: str, _count: int) -> None:
        torch.empty(1 << 50, dtype=torch.uint8)

    watched.on_step = huge
    with pytest.raises(subject.SynthesisError, match="ran out of main memory; end what else"):
        watched.say()
    watched.on_step = None
    assert watched.say("Hi.")[0].samples > 0


def cut_off(folder: Path) -> None:
    file = folder / "t3_cfg.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])


def no_weights(folder: Path) -> None:
    (folder / "s3gen.safetensors").write_text("<html>404 not found</html>")


def of_another_part(folder: Path) -> None:
    shutil.copy(folder / "ve.safetensors", folder / "s3gen.safetensors")


def of_another_size(folder: Path) -> None:
    shape = json.loads((folder / "shape.json").read_text())
    (folder / "shape.json").write_text(json.dumps({**shape, "width": 128}))


def unknown_shape(folder: Path) -> None:
    (folder / "shape.json").write_text('{"wide": 5}')


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def no_voice(folder: Path) -> None:
    (folder / "conds.pt").write_bytes(b"no voice")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut_off, r"t3_cfg\.safetensors cannot be read \(.*fetch it again"),
        (no_weights, r"s3gen\.safetensors cannot be read \("),
        (of_another_part, r"s3gen\.safetensors holds weights of another model \("),
        (of_another_size, r"t3_cfg\.safetensors holds weights of another model \("),
        (unknown_shape, r"shape\.json does not tell the sizes of a model \("),
        (no_tokenizer, r"tokenizer\.json is no tokenizer of chatterbox \("),
        (no_voice, r"conds\.pt is no voice of chatterbox \("),
    ],
)
def test_a_broken_model_says_what_to_mend(
    harm: Callable[[Path], None], said: str, tmp_path: Path, watched: Watched
) -> None:
    if watched.engine.name != "chatterbox":
        pytest.skip("the files of one variant are enough")
    folder = tmp_path / "weights"
    shutil.copytree(MODELS / "chatterbox", folder)
    harm(folder)
    broken = ChatterboxEngine.create(Settings(tts=TextToSpeech(engine="chatterbox", model=str(folder))))
    with pytest.raises(ConfigError, match=said) as refused:
        broken.load()
    assert refused.value.field == "tts.model"
