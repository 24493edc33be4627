"""The recogniser of recordings that the settings name: one made for files, or the streaming one of the calls."""

from __future__ import annotations

import msgspec

from her_os.audio.voice_activity import FastVoiceGate
from her_os.contracts.errors import ConfigError
from her_os.contracts.transcripts import Diariser, RecordingRecogniser
from her_os.engines.stt_registry import ENGINES, create_stt_engine
from her_os.engines.transcript_diarisation import SherpaDiarisation
from her_os.engines.transcript_engines import RECORDING_ENGINES
from her_os.settings import Settings
from her_os.transcripts.streaming_recogniser import StreamingRecogniser


def create_recogniser(settings: Settings) -> RecordingRecogniser:
    """Not yet loaded: the one of `transcripts.engine`, else the daemon's. Raises ConfigError that says what to do."""
    name = settings.transcripts.engine or settings.stt.engine
    if make := RECORDING_ENGINES.get(name):
        return make(settings)
    if name not in ENGINES:
        raise ConfigError(
            f"is {name!r}; known engines: {', '.join(sorted({*ENGINES, *RECORDING_ENGINES}))}",
            file=settings.source,
            field="transcripts.engine" if settings.transcripts.engine else "stt.engine",
        )
    stt = msgspec.structs.replace(settings.stt, engine=name)
    engine = create_stt_engine(msgspec.structs.replace(settings, stt=stt))
    return StreamingRecogniser(engine, lambda: FastVoiceGate(mode=1))


def create_diariser(settings: Settings) -> Diariser | None:
    """What tells voices apart, not yet loaded; None where no models are named. Raises ConfigError."""
    return SherpaDiarisation.from_settings(settings)
