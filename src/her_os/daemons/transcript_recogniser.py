"""The recogniser and the diariser of recordings that the settings name."""

from __future__ import annotations

from her_os.contracts.transcripts import Diariser, RecordingRecogniser
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.transcript_diarisation import SherpaDiarisation
from her_os.engines.transcript_engines import create_recogniser as create
from her_os.settings import Settings


def create_recogniser(settings: Settings) -> RecordingRecogniser:
    """Not yet loaded: the one of `transcripts.engine`, else the daemon's. Raises ConfigError that says what to do."""
    return create(RecogniserWishes.of(settings, "transcripts"))


def create_diariser(settings: Settings) -> Diariser | None:
    """What tells voices apart, not yet loaded; None where no models are named. Raises ConfigError."""
    return SherpaDiarisation.from_settings(settings)
