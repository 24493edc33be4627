"""Recognisers of recordings, by the same names as those of the daemons."""

from __future__ import annotations

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.contracts.speech_to_text import SpeechToTextEngine
from her_os.engines.stt_registry import ENGINES, create_stt_engine
from her_os.settings import Settings

_NOT_STREAMING = ("faster-whisper", "parakeet")


def create_transcript_engine(settings: Settings) -> SpeechToTextEngine:
    """An engine, not yet loaded: `transcripts.engine`, else the daemon's. Raises ConfigError that says what to do."""
    name = settings.transcripts.engine or settings.stt.engine
    if name in _NOT_STREAMING and name not in ENGINES:
        raise ConfigError(
            f"is {name!r}, which is not installed here; choose one of: {', '.join(sorted(ENGINES))}",
            file=settings.source,
            field="transcripts.engine",
        )
    if name not in ENGINES:
        raise ConfigError(
            f"is {name!r}; known engines: {', '.join(sorted({*ENGINES, *_NOT_STREAMING}))}",
            file=settings.source,
            field="transcripts.engine" if settings.transcripts.engine else "stt.engine",
        )
    return create_stt_engine(msgspec.structs.replace(settings, stt=msgspec.structs.replace(settings.stt, engine=name)))
