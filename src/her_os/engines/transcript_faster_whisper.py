"""Whisper by faster-whisper (CTranslate2): many stretches at once, word times. Never imports torch.

Extra `faster-whisper`. A model is a folder in CTranslate2's format or a name such as `small.en`, fetched once into
the cache. Words come from cross-attention (`word_timestamps`), speech from the library's own silero.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import Final, Word
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.transcript_blocks import cut_at_rests
from her_os.engines.transcript_extra import import_extra, model_folder, require_installed, unusable

_BLOCK_S = 600.0
"""Ten minutes of sound and their features are some 100 MB."""
_WINDOW_S = 30
_DEFAULT = "small.en"
_PAUSE_MS = 700


class FasterWhisper:
    """A RecordingRecogniser."""

    name = "faster-whisper"

    def __init__(self, wishes: RecogniserWishes) -> None:
        self._wishes = wishes
        self._pipeline: Any = None
        self._languages: list[str] = []

    @classmethod
    def create(cls, wishes: RecogniserWishes) -> FasterWhisper:
        """Not yet loaded. Raises ConfigError where the extra is not installed."""
        require_installed("faster_whisper", cls.name, wishes)
        return cls(wishes)

    def load(self) -> None:
        """Load the model. Raises ConfigError."""
        library = import_extra("faster_whisper", self.name, self._wishes)
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it tells of every pass
        name, folder = model_folder(self._wishes, _DEFAULT)
        try:
            where = str(folder) if folder else self._fetched(library, name)
            model = library.WhisperModel(
                where, device=self._wishes.asked.device, compute_type=self._wishes.asked.compute_type, cpu_threads=0
            )
        except (OSError, RuntimeError, ValueError) as error:  # what CTranslate2 and the hub raise
            raise unusable(self._wishes, str(folder or name), error) from error
        self._warm(model)
        self._languages = list(model.supported_languages)
        self._pipeline = library.BatchedInferencePipeline(model)

    def recognise(self, pcm: Iterable[bytes], language: str, tell: Callable[[int], None]) -> Iterator[Final]:
        """In blocks of ten minutes, each in batches of `batch_size` stretches."""
        if language not in self._languages:
            raise ConfigError(
                f"is {language!r}; this model knows: {', '.join(sorted(self._languages))}",
                file=self._wishes.settings.source,
                field="stt.language",
            )
        for start_ms, samples in cut_at_rests(pcm, _BLOCK_S):
            tell(start_ms)
            try:
                segments, _ = self._pipeline.transcribe(
                    samples,
                    language=language,
                    batch_size=self._wishes.batch_size,
                    word_timestamps=True,
                    vad_filter=True,
                    vad_parameters={"min_silence_duration_ms": _PAUSE_MS},
                    condition_on_previous_text=False,
                )
                for number, segment in enumerate(segments):
                    yield _final(number, start_ms, segment)
                    tell(start_ms + round(segment.end * 1000))
            except RuntimeError as error:
                raise RecognitionError(f"faster-whisper failed: {error}") from error

    def unload(self) -> None:
        """Free the model."""
        self._pipeline = None

    def _warm(self, model: Any) -> None:
        """A pass over silence: what the first caller would wait for, and whether it works here at all."""
        silence = model.feature_extractor(np.zeros(_WINDOW_S * CONVERSATION_RATE, np.float32))
        try:
            model.encode(silence[:, : model.feature_extractor.nb_max_frames])
        except RuntimeError as error:
            raise ConfigError(
                f"is {self.name!r}, which does not work here ({error}); it makes code at run time, which our "
                "systemd units allow when `her-os install` finds this engine in the configuration: run that again",
                file=self._wishes.settings.source,
                field=self._wishes.engine_field,
            ) from error

    def _fetched(self, library: Any, name: str) -> str:
        """The folder of a model by name: never one that lies in the working directory by chance."""
        cache = self._wishes.settings.environment.cache_dir.expanduser() / "models"
        return str(Path(library.download_model(name, cache_dir=str(cache))))


def _final(number: int, start_ms: int, segment: Any) -> Final:
    words = tuple(
        Word(
            word.word.strip(),
            start_ms + round(word.start * 1000),
            start_ms + round(word.end * 1000),
            round(float(word.probability), 3),
        )
        for word in segment.words or ()
        if word.word.strip()
    )
    return Final(
        utterance=number,
        start_ms=start_ms + round(segment.start * 1000),
        text=" ".join(word.text for word in words) or segment.text.strip(),
        audio_ms=start_ms + round(segment.end * 1000),
        words=words,
    )
