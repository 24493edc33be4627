"""Chatterbox (Resemble AI) as a TextToSpeechEngine: imitated voices, 24 kHz, sound inside the sentence, true cancel.

Needs an environment of its own (scripts/engine_environment.sh chatterbox) and weights in a folder. Nothing here imports
torch before `load`, so a configuration is checked without it. The library keeps state in its model and may have one
synthesis thread only, which is what the daemon has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from her_os.contracts.errors import ConfigError, EngineError, SynthesisError
from her_os.contracts.text_to_speech import SynthesisReport
from her_os.engines import tts_chatterbox_loading as loading
from her_os.engines.own_library import library
from her_os.engines.tts_chatterbox_checkpoints import Checkpoints, Run, SynthesisLeft, forget
from her_os.engines.tts_chatterbox_library import import_library, require_installed
from her_os.engines.tts_chatterbox_memory import CacheFreeing, free_mb, ran_out, refuse_too_large
from her_os.engines.tts_chatterbox_seams import Samples
from her_os.engines.tts_chatterbox_speaking import Utterances
from her_os.engines.tts_chatterbox_variants import LANGUAGES, VARIANTS, Variant
from her_os.engines.tts_chatterbox_voices import OWN_VOICE, check_prompt, find_voices
from her_os.settings import Settings

log = logging.getLogger(__name__)
_RATE = 24_000


class ChatterboxEngine:
    """One variant of Chatterbox."""

    def __init__(self, settings: Settings, variant: Variant) -> None:
        """Raises ConfigError for what can be seen without the model: files, voices, language, package."""
        self.name, self._variant, self._asked = variant.engine, variant, settings.tts
        require_installed(settings.tts.python)
        if not settings.tts.model:
            raise ConfigError(f"is empty; name the folder with the weights of {variant.engine}", field="tts.model")
        self._folder = settings.resolve(Path(settings.tts.model))
        loading.check_folder(self._folder, variant)
        if variant.is_multilingual and settings.tts.language.lower() not in LANGUAGES:
            raise ConfigError(f"is {settings.tts.language!r}; known: {', '.join(LANGUAGES)}", field="tts.language")
        self._prompts = find_voices(settings.resolve(Path(settings.tts.voices)) if settings.tts.voices else None)
        for file in self._prompts.values():
            check_prompt(file, variant.shortest_prompt_s)
        own = (OWN_VOICE,) if (self._folder / "conds.pt").is_file() else ()
        self._names = (*own, *self._prompts)
        if not self._names:
            raise ConfigError(
                f"is empty and {self._folder} has no conds.pt; name a folder with a WAV file of the voice",
                field="tts.voices",
            )
        self._tts: Any = None
        self._conditionals: dict[str, Any] = {}
        self._checkpoints = Checkpoints(None)
        self._caches: CacheFreeing | None = None

    @classmethod
    def create(cls, settings: Settings) -> ChatterboxEngine:
        """The variant that `tts.engine` names, not yet loaded. Raises ConfigError."""
        return cls(settings, VARIANTS[settings.tts.engine])

    @property
    def sample_rate(self) -> int:
        return _RATE

    @property
    def voices(self) -> tuple[str, ...]:
        return self._names

    def load(self) -> None:
        import_library(self._variant)
        torch = library("torch")

        device = self._device(torch.cuda.is_available())
        refuse_too_large(self._variant.weight_mb(self._folder), self._asked.memory_budget_mb, free_mb(device), device)
        torch.set_num_threads(self._asked.threads)
        try:
            self._tts = loading.load(self._folder, self._variant, device)
            self._checkpoints = Checkpoints(torch.cuda.current_stream().synchronize if device == "cuda" else None)
            self._checkpoints.attach(self._tts)
            self._caches = CacheFreeing(torch.cuda.empty_cache)
            self._conditionals = self._meet_voices()
            self.synthesize("Ready.", "", threading.Event(), lambda _pcm: None)  # the first watermark takes seconds
        except (RuntimeError, MemoryError) as error:
            self.unload()
            if ran_out(error):
                raise EngineError(_out_of_memory(device)) from None
            raise

    def _device(self, has_cuda: bool) -> str:
        if self._asked.device == "cuda" and not has_cuda:
            raise ConfigError("is cuda, and torch sees no such card here; set auto or cpu", field="tts.device")
        return "cpu" if self._asked.device == "cpu" or not has_cuda else "cuda"

    def _meet_voices(self) -> dict[str, Any]:
        """What the model makes of each voice."""
        met = {OWN_VOICE: self._tts.conds} if self._tts.conds is not None else {}
        for name, file in self._prompts.items():
            self._tts.prepare_conditionals(str(file), exaggeration=self._asked.expressiveness)
            met[name] = self._tts.conds
        for conditionals in met.values():
            if not self._variant.is_turbo:
                conditionals.t3.emotion_adv = conditionals.t3.emotion_adv * 0 + self._asked.expressiveness
        self._tts.conds = None
        return met

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        if self._tts is None or self._caches is None:
            raise EngineError(f"{self.name} is not loaded")
        conditionals = self._conditionals.get(voice or self._names[0])
        if conditionals is None:
            raise ConfigError(f"{self.name} has no voice {voice!r}; known: {', '.join(self._names)}")
        run = Run(cancel)
        if any(character.isalnum() for character in text):  # of anything else the model makes words of its own
            self._checkpoints.run = run
            try:
                self._speak(text, conditionals, run, emit)
            finally:
                self._checkpoints.run = None
            self._caches.after_synthesis(cancelled=bool(run.left_in))
        return SynthesisReport(run.samples, run.steps, bool(run.left_in), run.steps_after_cancel)

    def _speak(self, text: str, conditionals: Any, run: Run, emit: Callable[[bytes], None]) -> None:
        def hand_out(sound: Samples) -> None:
            self._checkpoints.check("sound", wait=True)
            run.samples += len(sound)
            emit((np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())

        try:
            Utterances(self._tts, self._variant, self._asked, self._checkpoints).speak(text, conditionals, hand_out)
        except SynthesisLeft as left:
            forget(left)
        except Exception as error:
            forget(error)
            if ran_out(error):
                raise SynthesisError(_out_of_memory(self._tts.device)) from None
            raise
        finally:
            self._wait_until_idle()

    def _wait_until_idle(self) -> None:
        """A cancel is answered when the card has nothing left to do."""
        if self._tts.device == "cuda":
            torch = library("torch")

            torch.cuda.synchronize()

    def unload(self) -> None:
        """Free the model. Idempotent."""
        self._tts, self._conditionals = None, {}
        self._checkpoints = Checkpoints(None)
        if self._caches is not None:
            self._caches.after_synthesis(cancelled=True)
            self._caches.close()
            self._caches = None


def _out_of_memory(device: str) -> str:
    where = "the graphics card's" if device == "cuda" else "main"
    return f"chatterbox ran out of {where} memory; end what else is there, or set tts.device or a smaller model"
