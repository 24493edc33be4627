"""Recognisers of whole recordings, by the same names as those of the daemons. A new one is a file and a line here.

Each needs an extra of this package and says so where it is not installed; what a call's own engine can do is not
repeated here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from her_os.audio.voice_activity import FastVoiceGate
from her_os.contracts.errors import ConfigError
from her_os.contracts.transcripts import RecordingRecogniser
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.stt_registry import ENGINES, create_stt_engine
from her_os.engines.transcript_faster_whisper import FasterWhisper
from her_os.engines.transcript_parakeet import Parakeet
from her_os.engines.transcript_streaming import StreamingRecogniser

RECORDING_ENGINES: dict[str, Callable[[RecogniserWishes], RecordingRecogniser]] = {
    "faster-whisper": FasterWhisper.create,
    "parakeet": Parakeet.create,
}

_CALLS_ONLY = ("nemotron",)
"""Recognisers that need a daemon of their own, not a worker."""


def create_recogniser(wishes: RecogniserWishes) -> RecordingRecogniser:
    """Not yet loaded: one made for recordings, or the streaming one of the calls. Raises ConfigError: what to do."""
    name, settings = wishes.engine, wishes.settings
    if make := RECORDING_ENGINES.get(name):
        return make(wishes)
    if name in _CALLS_ONLY:
        raise ConfigError(
            f"is {name!r}, which hears calls and no files; name another one in {wishes.section}.engine",
            file=settings.source,
            field=wishes.engine_field,
        )
    if name not in ENGINES:
        raise ConfigError(
            f"is {name!r}; known engines: {', '.join(sorted({*ENGINES, *RECORDING_ENGINES}))}",
            file=settings.source,
            field=wishes.engine_field,
        )
    stt = msgspec.structs.replace(settings.stt, engine=name)
    engine = create_stt_engine(msgspec.structs.replace(settings, stt=stt))
    return StreamingRecogniser(engine, lambda: FastVoiceGate(mode=1))
