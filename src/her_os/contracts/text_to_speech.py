"""Text-to-speech: the engine Protocol with true cancel, the wire messages, the client a conversation uses."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from her_os.contracts.audio import WordMark


class SynthesisRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/synthesize`. `session_id` is `CALL.TURN`; one session may hold many requests."""

    session_id: str
    text: str
    voice: str = ""


class CancelReport(msgspec.Struct, frozen=True):
    """Body of the answer to `POST /cancel/{session_id}`; sent when the thread has left the loop.

    `cancelled` counts the requests (running or queued) that this cancel ended. `stopped_after_ms` is from the
    cancel's arrival to the thread's exit. `steps_after_cancel` counts engine steps begun after the event was set.
    `state`: `running`, `queued`, `finished`, `unknown` (a tombstone is left in every case).
    `uninterruptible_stage` names a stage that the engine could not break, empty otherwise.
    """

    cancelled: int
    stopped_after_ms: float
    steps_after_cancel: int
    state: str = "unknown"
    uninterruptible_stage: str = ""


class SynthesisReport(msgspec.Struct, frozen=True):
    """What one synthesis did, told by the engine's thread as it leaves."""

    samples: int
    steps: int
    cancelled: bool
    steps_after_cancel: int = 0


class TextToSpeechEngine(Protocol):
    """A synthesiser. All methods may block and are called from one synthesis thread."""

    name: str

    def load(self) -> None:
        """Load and warm. Raises ConfigError (what to mend) or EngineError."""
        ...

    @property
    def sample_rate(self) -> int:
        """The engine's own rate, known after `load`."""
        ...

    @property
    def voices(self) -> tuple[str, ...]:
        """Names that `synthesize` accepts; the first is the default."""
        ...

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        """Speak `text`, handing PCM to `emit` as soon as it exists, checking `cancel` at each step.

        Returns soon after `cancel` is set. Raises SynthesisError; ConfigError for an unknown voice.
        """
        ...

    def unload(self) -> None:
        """Free the model. Idempotent."""
        ...


class SpeechStream(Protocol):
    """One synthesis as a conversation reads it: PCM at `sample_rate`, in arrival order."""

    sample_rate: int
    marks: tuple[WordMark, ...]

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class SpeechSynthesizer(Protocol):
    """The text-to-speech client of a conversation. PCM comes out at 16 kHz whatever the engine's rate."""

    def speak(self, session_id: str, text: str) -> AbstractAsyncContextManager[SpeechStream]:
        """Begin a synthesis. Leaving the context closes the connection, which cancels what is left.

        Raises CancelledTurn (the server has a tombstone for the session: 410), SidecarUnavailable, SynthesisError.
        """
        ...

    async def cancel(self, session_id: str) -> CancelReport:
        """End every request of the session on the server; returns when its thread has left the loop.

        Raises SidecarUnavailable.
        """
        ...
