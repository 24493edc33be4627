"""Who speaks when, by sherpa-onnx (extra `diarisation`): pyannote's segmentation, voice embeddings, clustering.

Needs two ONNX models in sherpa-onnx's format: `transcripts.segmentation_model` (such as pyannote-segmentation-3.0)
and `transcripts.embedding_model` (such as a 3D-Speaker or WeSpeaker model).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.transcripts import VoiceSpan
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.transcript_extra import import_extra, require_installed
from her_os.settings import Settings

_THRESHOLD = 0.5
"""Cosine distance between clusters, sherpa-onnx's own default; used where the number of speakers is not given."""
_SHORTEST_SPEECH_S, _SHORTEST_PAUSE_S = 0.3, 0.5
_FIELDS = ("segmentation_model", "embedding_model")


class SherpaDiarisation:
    """A Diariser. Holds all of a recording's sound at once: 4 bytes a sample, 230 MB an hour."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> SherpaDiarisation | None:
        """As `transcripts` says; None where no model is named. Raises ConfigError."""
        if not any(getattr(settings.transcripts, field) for field in _FIELDS):
            return None
        require_installed("sherpa_onnx", "diarisation", RecogniserWishes.of(settings, "transcripts"))
        return cls(settings)

    def load(self) -> None:
        """Load both models. Raises ConfigError."""
        library = import_extra("sherpa_onnx", "diarisation", RecogniserWishes.of(self._settings, "transcripts"))
        segmentation, embedding = (self._file(field) for field in _FIELDS)
        config = library.OfflineSpeakerDiarizationConfig(
            segmentation=library.OfflineSpeakerSegmentationModelConfig(
                pyannote=library.OfflineSpeakerSegmentationPyannoteModelConfig(model=segmentation)
            ),
            embedding=library.SpeakerEmbeddingExtractorConfig(model=embedding),
            clustering=library.FastClusteringConfig(
                num_clusters=self._settings.transcripts.speakers or -1, threshold=_THRESHOLD
            ),
            min_duration_on=_SHORTEST_SPEECH_S,
            min_duration_off=_SHORTEST_PAUSE_S,
        )
        try:
            self._engine = library.OfflineSpeakerDiarization(config)
        except Exception as error:
            raise ConfigError(
                f"the diarisation models cannot be loaded ({error})",
                file=self._settings.source,
                field=f"transcripts.{_FIELDS[0]}",
            ) from error

    def spans(self, pcm: Iterable[bytes]) -> list[VoiceSpan]:
        """Where which voice is heard, in the order of time; spans of different voices may overlap."""
        samples = np.frombuffer(b"".join(pcm), dtype="<i2").astype(np.float32) / np.float32(32_768)
        try:
            found = self._engine.process(samples).sort_by_start_time()
        except RuntimeError as error:
            raise RecognitionError(f"diarisation failed: {error}") from error
        return [
            VoiceSpan(start_ms=round(span.start * 1000), end_ms=round(span.end * 1000), voice=span.speaker)
            for span in found
        ]

    def unload(self) -> None:
        """Free the models."""
        self._engine = None

    def _file(self, field: str) -> str:
        """The library ends the process where a file is missing or is something else: look first."""
        path = self._settings.resolve(Path(getattr(self._settings.transcripts, field) or "."))
        if not path.is_file() or path.suffix != ".onnx":
            raise ConfigError(
                f"{path} is no .onnx file; both models are needed to tell speakers apart",
                file=self._settings.source,
                field=f"transcripts.{field}",
            )
        return str(path)
