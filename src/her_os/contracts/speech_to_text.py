"""Speech-to-text: the engine Protocol, the wire messages, and the stream a conversation uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec


class Word(msgspec.Struct, frozen=True):
    """One recognised word; times in milliseconds of the session's audio."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float = 1.0


class Partial(msgspec.Struct, frozen=True, tag="partial"):
    """What is heard so far of an utterance. The text only grows: it is a stable prefix.

    `utterance` counts from 0 in a session. `start_ms` is where the utterance began and `audio_ms` how much
    audio the session has consumed, both in the session's audio time. `tentative` are the words after `text` that the
    recogniser would say now and may yet take back; empty where it does not tell.
    """

    utterance: int
    start_ms: int
    text: str
    audio_ms: int
    tentative: str = ""

    @property
    def best_guess(self) -> str:
        """All words so far, those included that may yet change."""
        return f"{self.text} {self.tentative}".strip()


class Final(msgspec.Struct, frozen=True, tag="final"):
    """The finished utterance; sent once for each `finalize`, with empty text where nothing was said."""

    utterance: int
    start_ms: int
    text: str
    audio_ms: int
    words: tuple[Word, ...] = ()


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The session is open; audio may be sent at `sample_rate`."""

    session_id: str
    sample_rate: int
    engine: str = ""


class ErrorMessage(msgspec.Struct, frozen=True, tag="error"):
    """Something failed; `code` is from the error tree."""

    code: str
    message: str


class Auth(msgspec.Struct, frozen=True, tag="auth"):
    """First message of every WebSocket, within 2 s."""

    token: str


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Opens the session."""

    session_id: str
    sample_rate: int = 16_000
    language: str = "en"


class Finalize(msgspec.Struct, frozen=True, tag="finalize"):
    """Ends the current utterance; a `final` follows."""


class Close(msgspec.Struct, frozen=True, tag="close"):
    """Ends the session."""


ClientMessage = Auth | Start | Finalize | Close
ServerMessage = Ready | Partial | Final | ErrorMessage

CloseCode = Literal[1003, 1008, 1009, 1011, 1013]
CLOSE_WRONG_FRAME: CloseCode = 1003
CLOSE_BAD_AUTH: CloseCode = 1008
CLOSE_TOO_LARGE: CloseCode = 1009
CLOSE_ENGINE_FAILURE: CloseCode = 1011
CLOSE_SESSION_CAP: CloseCode = 1013


class RecognitionSession(Protocol):
    """One stream of one caller inside an engine. Called from one executor thread at a time; may block."""

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        """Consume int16 PCM of any length at the session's rate; return new partials, oldest first.

        Raises RecognitionError when the engine failed; the session is then only good for `close`.
        """
        ...

    def finalize(self) -> Final:
        """End the utterance, return its final and begin the next."""
        ...

    def close(self) -> None:
        """Free everything the session held. Idempotent, never raises."""
        ...


class SpeechToTextEngine(Protocol):
    """A streaming recogniser. `load` and `open_session` may block: call them from an executor."""

    name: str
    sample_rate: int

    def load(self) -> None:
        """Load and warm the model. Raises ConfigError (what to mend) or EngineError."""
        ...

    def open_session(self, session_id: str, language: str) -> RecognitionSession:
        """A new session with fresh state. Raises ConfigError for a language it does not have."""
        ...

    def unload(self) -> None:
        """Free the model. Idempotent."""
        ...


class SpeechToTextStream(Protocol):
    """What a conversation holds: one logical stream that outlives socket cycles and server restarts."""

    on_partial: Callable[[Partial], None] | None
    """Called on the event loop for partials of the current utterance."""

    async def open(self) -> None:
        """Connect, authenticate, start. Raises SidecarUnavailable, CapacityError, AuthError."""
        ...

    def push(self, pcm: bytes, sample_index: int) -> None:
        """Queue 16 kHz PCM that begins at the call's `sample_index`; never blocks, never drops.

        The last seconds are kept, so that audio which fell into a reconnect gap is replayed.
        """
        ...

    async def finalize(self) -> Final:
        """End the utterance after all pushed audio. Times in the Final are in call milliseconds.

        Raises SidecarUnavailable when the recogniser is away (the stream keeps reconnecting), CancelledTurn when
        a `cycle` overtakes it.
        """
        ...

    def discard(self) -> None:
        """Forget what was pushed and not finalised: the caller was asked to say it again."""
        ...

    async def cycle(self, replay_from_sample: int) -> None:
        """Cancel leg: drop the session, wait the grace, reopen, and replay audio from the given sample.

        Returns when the new session is ready and the replay is queued. Raises SidecarUnavailable.
        """
        ...

    @property
    def available(self) -> bool:
        """Whether a session is open right now."""
        ...

    async def close(self) -> None:
        """End for good. Idempotent."""
        ...
