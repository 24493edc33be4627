"""What of Chatterbox needs neither torch nor weights: seams, voices, the memory budget, mistakes in the settings."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from her_os.contracts.errors import ConfigError
from her_os.daemons.engine_interpreter import interpreter_of
from her_os.engines.tts_chatterbox import ChatterboxEngine
from her_os.engines.tts_chatterbox_checkpoints import Checkpoints, Run, SynthesisLeft, forget
from her_os.engines.tts_chatterbox_memory import WORKING_MB, CacheFreeing, ran_out, refuse_too_large
from her_os.engines.tts_chatterbox_seams import (
    CHUNK_TOKENS,
    CONTEXT_TOKENS,
    LOOKAHEAD_TOKENS,
    TOKEN_SAMPLES,
    Samples,
    Seams,
)
from her_os.engines.tts_chatterbox_variants import VARIANTS
from her_os.engines.tts_chatterbox_voices import check_prompt, find_voices
from her_os.settings import Settings
from her_os.settings.schema import TextToSpeech


class Tones:
    """A renderer whose sound at each sample is the place in the utterance, so that the seams can be checked exactly."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, bool]] = []

    def render(self, tokens: list[int], start: int, last: bool) -> Samples:
        assert list(tokens) == list(range(start, start + len(tokens)))
        self.asked.append((start, len(tokens), last))
        end = start + len(tokens) - (0 if last else LOOKAHEAD_TOKENS)
        return np.arange(start * TOKEN_SAMPLES, end * TOKEN_SAMPLES, dtype=np.float32)


@pytest.mark.parametrize("length", [1, 3, 24, 25, 26, 47, 100, 211])
@pytest.mark.parametrize("chunk", [CHUNK_TOKENS, None])
def test_every_sample_is_spoken_once_and_in_order(length: int, chunk: int | None) -> None:
    tones, spoken = Tones(), []
    seams = Seams(tones.render, spoken.append, chunk)
    for token in range(length):
        seams.push(token)
        if token == CHUNK_TOKENS - 1:
            assert bool(spoken) is bool(chunk), "the first sound does not wait for the end"
    seams.close()
    sound = np.concatenate(spoken)
    assert len(sound) == length * TOKEN_SAMPLES
    np.testing.assert_allclose(sound, np.arange(len(sound)), rtol=1e-6)
    assert max(count for _, count, _ in tones.asked) <= (length if chunk is None else CONTEXT_TOKENS + 2 * CHUNK_TOKENS)


def test_nothing_said_is_nothing_rendered() -> None:
    tones, spoken = Tones(), []
    Seams(tones.render, spoken.append, CHUNK_TOKENS).close([1, 2, 3])
    assert (tones.asked, spoken) == ([], [])


def test_a_seam_is_faded_over() -> None:
    def render(tokens: list[int], start: int, last: bool) -> Samples:
        end = start + len(tokens) - (0 if last else LOOKAHEAD_TOKENS)
        return np.full((end - start) * TOKEN_SAMPLES, 0.0 if start == 0 and not last else 1.0, np.float32)

    spoken: list[Samples] = []
    seams = Seams(render, spoken.append, CHUNK_TOKENS)
    for token in range(CHUNK_TOKENS + 2):
        seams.push(token)
    seams.close()
    sound = np.concatenate(spoken)
    assert np.abs(np.diff(sound)).max() < 0.01, "from 0 to 1 without a step"
    assert (sound[0], sound[-1]) == (0.0, 1.0)


def test_a_checkpoint_counts_and_leaves_and_counts_who_goes_on_all_the_same() -> None:
    checkpoints, cancel = Checkpoints(None), threading.Event()
    checkpoints.check("token")
    checkpoints.run = run = Run(cancel)
    checkpoints.check("token")
    cancel.set()
    with pytest.raises(SynthesisLeft):
        checkpoints.check("flow")
    assert (run.steps, run.left_in, run.steps_after_cancel) == (1, "flow", 0)
    with pytest.raises(SynthesisLeft):
        checkpoints.check("flow")
    assert run.steps_after_cancel == 1


def test_who_left_holds_nothing_of_where_it_was() -> None:
    class Cache:
        pass

    alive: list[int] = []

    def deep() -> None:
        cache = Cache()
        alive.append(id(cache))
        raise SynthesisLeft("token")

    with pytest.raises(SynthesisLeft) as left:
        deep()
    frame = left.tb.tb_next.tb_frame if left.tb.tb_next else None
    assert frame is not None
    assert "cache" in frame.f_locals
    forget(left.value)
    assert left.value.__traceback__ is None
    assert "cache" not in frame.f_locals


def test_caches_are_freed_beside_the_synthesis_after_a_cancel_and_now_and_then() -> None:
    threads: list[str] = []
    freeing = CacheFreeing(lambda: threads.append(threading.current_thread().name), every=3)
    done = [freeing.after_synthesis(cancelled=cancelled) for cancelled in (False, True, False, False, False, False)]
    freeing.close()
    assert [future is not None for future in done] == [False, True, False, False, True, False]
    assert freeing.freed == 2
    assert all(name.startswith("tts-cache") for name in threads)


def test_what_does_not_fit_is_refused_before_it_is_loaded() -> None:
    refuse_too_large(2000, 0, 2000 + WORKING_MB, "cuda")
    with pytest.raises(ConfigError, match=r"tts\.memory_budget_mb: is 2000; the model needs about 2700 MB of the"):
        refuse_too_large(2000, 2000, 80_000, "cuda")
    with pytest.raises(ConfigError, match=r"tts\.model: needs about 2700 MB of main memory and 900 MB are free"):
        refuse_too_large(2000, 0, 900, "cpu")


def test_running_out_is_known_by_type_and_by_words() -> None:
    out_of_memory = type("OutOfMemoryError", (RuntimeError,), {})
    assert ran_out(MemoryError())
    assert ran_out(out_of_memory("CUDA"))
    assert ran_out(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"))
    assert not ran_out(RuntimeError("the sizes differ"))


def write_wav(file: Path, seconds: float, *, rate: int = 24_000, width: int = 2, loudness: int = 3000) -> Path:
    samples = (np.random.default_rng(1).integers(-loudness, loudness + 1, int(seconds * rate))).astype("<i2")
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(samples.tobytes() if width == 2 else bytes(len(samples) * width))
    return file


def test_voices_are_wav_files_by_name(tmp_path: Path) -> None:
    write_wav(tmp_path / "anna.wav", 4)
    write_wav(tmp_path / "Bert.WAV", 4)
    (tmp_path / "notes.txt").write_text("no voice")
    assert list(find_voices(tmp_path)) == ["Bert", "anna"]
    check_prompt(tmp_path / "anna.wav", 3)
    assert find_voices(None) == {}


def test_a_voice_that_cannot_be_one_says_why(tmp_path: Path) -> None:
    cut = write_wav(tmp_path / "cut.wav", 5)
    cut.write_bytes(cut.read_bytes()[:60_000])
    text = tmp_path / "text.wav"
    text.write_text("this is no sound at all")
    for file, reason in (
        (write_wav(tmp_path / "short.wav", 1), r"has 1\.0 s; expected 3 to 60 s"),
        (write_wav(tmp_path / "long.wav", 61), r"has 61\.0 s"),
        (write_wav(tmp_path / "phone.wav", 5, rate=8000), "has 8000 samples a second"),
        (write_wav(tmp_path / "deep.wav", 5, width=3), "has samples of 24 bits; expected 16"),
        (write_wav(tmp_path / "silent.wav", 5, loudness=2), "is silent"),
        (cut, "is cut off|cannot|can be read"),
        (text, "is no WAV file that can be read"),
    ):
        with pytest.raises(ConfigError, match=reason) as refused:
            check_prompt(file, 3)
        assert refused.value.field == "tts.voices"
        assert str(file) in refused.value.complaint


def test_a_folder_of_voices_that_cannot_be_one_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        find_voices(tmp_path / "gone")
    with pytest.raises(ConfigError, match="has no WAV files"):
        find_voices(tmp_path)
    write_wav(tmp_path / "default.wav", 4)
    with pytest.raises(ConfigError, match="cannot be a voice's name"):
        find_voices(tmp_path)


def test_mistakes_are_told_without_the_package(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)

    def asked(**wishes: str) -> Settings:
        return Settings(tts=TextToSpeech(engine="chatterbox", **{"python": str(python), **wishes}))

    folder = tmp_path / "weights"
    for settings, complaint in (
        (asked(python=""), r"tts\.engine: chatterbox is not installed here; run scripts/engine_environment\.sh"),
        (asked(), r"tts\.model: is empty"),
        (asked(model=str(folder)), r"tts\.model: .*weights is no folder"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            ChatterboxEngine.create(settings)
    folder.mkdir()
    (folder / "ve.safetensors").touch()
    with pytest.raises(ConfigError, match=r"has no t3_cfg\.safetensors, s3gen\.safetensors, tokenizer\.json; chatt"):
        ChatterboxEngine.create(asked(model=str(folder)))
    for name in VARIANTS["chatterbox"].files:
        (folder / name).touch()
    with pytest.raises(ConfigError, match=r"tts\.voices: is empty and .* has no conds\.pt"):
        ChatterboxEngine.create(asked(model=str(folder)))
    (tmp_path / "voices").mkdir()
    write_wav(tmp_path / "voices" / "anna.wav", 4)
    engine = ChatterboxEngine.create(asked(model=str(folder), voices=str(tmp_path / "voices")))
    assert (engine.voices, engine.sample_rate, engine.name) == (("anna",), 24_000, "chatterbox")


def test_the_multilingual_model_speaks_what_it_knows(tmp_path: Path) -> None:
    for name in (*VARIANTS["chatterbox-multilingual"].files, "conds.pt"):
        (tmp_path / name).touch()
    wishes = {"engine": "chatterbox-multilingual", "model": str(tmp_path), "python": "/elsewhere"}
    assert ChatterboxEngine.create(Settings(tts=TextToSpeech(**wishes, language="de"))).voices == ("default",)
    with pytest.raises(ConfigError, match=r"tts\.language: is 'xx'; known: ar, da, de"):
        ChatterboxEngine.create(Settings(tts=TextToSpeech(**wishes, language="xx")))


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    assert interpreter_of(Settings(), "tts") is None
    wrong = Settings(tts=TextToSpeech(python="env/bin/python"), source=str(tmp_path / "her-os.yaml"))
    with pytest.raises(ConfigError, match=r"tts\.python: .*env/bin/python is no program; run scripts/engine_env"):
        interpreter_of(wrong, "tts")
    assert interpreter_of(wrong, "phone") is None
