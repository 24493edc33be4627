"""Streaming by a recogniser of whole utterances (Whisper, Parakeet) in a worker process: `SpeechToTextEngine`.

The worker is given the window that is still open again and again and keeps nothing between: when it crashes or hangs,
the session ends with an error, its client reconnects and replays, and the daemon never noticed anything but that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from her_os.audio.voice_activity import FastVoiceGate
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import CapacityError, RecognitionError
from her_os.contracts.speech_to_text import Final, RecognitionSession
from her_os.contracts.transcripts import RecordingRecogniser
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.speech_worker_client import SpeechWorker
from her_os.engines.stt_window_session import WindowSession
from her_os.settings import Settings

_PASS_S, _TURN_S = 6.0, 3.0
"""Longest pass, and longest wait for another call's: together shorter than what the daemon takes for a hang."""
_PROBE = bytes(CONVERSATION_RATE // 10 * SAMPLE_WIDTH)


class WindowEngine:
    """One worker for all sessions of the daemon; their passes take turns."""

    sample_rate = CONVERSATION_RATE

    def __init__(self, worker: SpeechWorker, name: str) -> None:
        self.worker, self.name = worker, name

    @classmethod
    def create(cls, settings: Settings, adapter: Callable[[RecogniserWishes], RecordingRecogniser]) -> WindowEngine:
        """As `stt` says, not yet loaded. Raises ConfigError where the adapter's package or interpreter is not there."""
        wishes = RecogniserWishes.of(settings, "stt")
        adapter(wishes)  # the worker makes its own; this one only complains
        return cls(SpeechWorker(wishes), wishes.engine)

    def load(self) -> None:
        self.worker.host.start()

    def open_session(self, session_id: str, language: str) -> RecognitionSession:
        """Proves first that the worker answers and knows the language. Raises ConfigError, RecognitionError."""
        try:
            self._recognise(language, _PROBE)
        except CapacityError as error:  # of the worker's time, not of sessions
            raise RecognitionError(error.message) from error
        return WindowSession(partial(self._recognise, language), FastVoiceGate(mode=1))

    def alive(self) -> bool:
        """False when a fresh worker does not help any more."""
        return not self.worker.host.broken

    def unload(self) -> None:
        self.worker.host.stop()

    def _recognise(self, language: str, pcm: bytes) -> tuple[Final, ...]:
        return self.worker.recognise(pcm, language, deadline_s=_PASS_S, turn_s=_TURN_S, ready_s=0)
