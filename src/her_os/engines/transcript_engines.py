"""Recognisers made for recordings, by the same names as those of the daemons. A new one is a file and a line here.

Each needs an extra of this package and says so where it is not installed; what a call's own engine can do is not
repeated here.
"""

from __future__ import annotations

from collections.abc import Callable

from her_os.contracts.transcripts import RecordingRecogniser
from her_os.engines.transcript_faster_whisper import FasterWhisper
from her_os.engines.transcript_parakeet import Parakeet
from her_os.settings import Settings

RECORDING_ENGINES: dict[str, Callable[[Settings], RecordingRecogniser]] = {
    "faster-whisper": FasterWhisper.from_settings,
    "parakeet": Parakeet.from_settings,
}
