"""What a section of the settings asks of a recogniser; complaints name that section's own fields."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from her_os.contracts.errors import ConfigError
from her_os.settings import Settings
from her_os.settings.schema import SpeechToText, SpeechToTextBatch, Transcripts

SectionName = Literal["transcripts", "stt", "stt_batch"]


@dataclass(frozen=True)
class RecogniserWishes:
    """One section, with the settings it is part of."""

    settings: Settings
    section: SectionName
    asked: SpeechToText | SpeechToTextBatch | Transcripts

    @classmethod
    def of(cls, settings: Settings, section: SectionName) -> RecogniserWishes:
        return cls(settings, section, getattr(settings, section))

    @property
    def engine(self) -> str:
        return self.asked.engine or self.settings.stt.engine

    @property
    def engine_field(self) -> str:
        """The setting that named the engine."""
        return f"{self.section}.engine" if self.asked.engine else "stt.engine"

    @property
    def batch_size(self) -> int:
        """Stretches at once; a stream has one at a time."""
        return 1 if isinstance(self.asked, SpeechToText) else self.asked.batch_size

    def complaint(self, message: str, field: str) -> ConfigError:
        """A mistake in a field of the section, such as `model`."""
        return ConfigError(message, file=self.settings.source, field=f"{self.section}.{field}")

    def interpreter(self) -> str:
        """What runs its workers: our own, or that of an engine's environment. Raises ConfigError for one not there."""
        if not self.asked.python:
            return sys.executable
        path = self.settings.resolve(Path(self.asked.python))
        if not os.access(path, os.X_OK):
            raise self.complaint(f"{path} is no program; run `her-os install --engine {self.engine}`", "python")
        return str(path)
