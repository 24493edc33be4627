"""The one error tree of her-os.

    HerOsError
     +- ConfigError            a file or flag the operator can mend (file, line, field)
     +- NotReadyError          a daemon or model is not up yet
     +- CapacityError          a cap is reached; try later
     +- AuthError              missing, late or wrong credentials
     +- ProtocolError          a peer sent what the contract does not allow
     +- EngineError            a model or synthesiser failed
     |   +- SynthesisError
     |   +- RecognitionError
     |   |   +- WorkerCrashed   the recogniser's process ended under a request; the next one gets a fresh one
     |   |   +- WorkerHung      it did not answer in time and was ended
     |   +- LanguageModelError
     |       +- ContextOverflowError   the conversation no longer fits; compact it and try again
     +- SidecarUnavailable     a daemon could not be reached or went away
     +- CallEnded              the line is gone
     +- CancelledTurn          work for a turn that a barge-in ended
     +- IllegalTransition      a state machine was asked for an arrow it does not have
     +- ToolError              a tool refused its arguments or failed; `say` is for the caller

Every error has a stable `code` (part of the wire contract and of metrics labels) and a message
that says what to do.
"""

from __future__ import annotations

import errno


class HerOsError(Exception):
    """Base of every error her-os raises on purpose."""

    code: str = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(HerOsError):
    """A mistake in a configuration file, flag or secret that the operator can mend.

    `complaint` is what is wrong and what to do, without the place; the error itself says both.
    """

    code = "config"

    def __init__(self, message: str, *, file: str = "", line: int | None = None, field: str = "") -> None:
        where = ":".join(part for part in (file, str(line) if line else "") if part)
        parts = [part for part in (where, field) if part]
        super().__init__(": ".join([*parts, message]))
        self.complaint, self.file, self.line, self.field = message, file, line, field


class NotReadyError(HerOsError):
    """The daemon is up but its model is not."""

    code = "not_ready"


class CapacityError(HerOsError):
    """A session or call cap is reached."""

    code = "capacity"


class AuthError(HerOsError):
    """Credentials are missing, late or wrong."""

    code = "auth"


class ProtocolError(HerOsError):
    """A peer sent what the wire contract does not allow."""

    code = "protocol"


class EngineError(HerOsError):
    """An engine (model, synthesiser, recogniser) failed."""

    code = "engine"


class SynthesisError(EngineError):
    """Text-to-speech failed."""

    code = "synthesis"


class RecognitionError(EngineError):
    """Speech-to-text failed."""

    code = "recognition"


class WorkerCrashed(RecognitionError):
    """The process that holds the recogniser ended while it worked for us. A fresh one is being started."""

    code = "worker_crashed"


class WorkerHung(RecognitionError):
    """The process that holds the recogniser did not answer in time and was ended. A fresh one is being started."""

    code = "worker_hung"


class LanguageModelError(EngineError):
    """The language model failed or answered what cannot be used."""

    code = "language_model"


class ContextOverflowError(LanguageModelError):
    """The messages do not fit into the model's context: compact them and ask again."""

    code = "context_overflow"


class SidecarUnavailable(HerOsError):
    """A daemon could not be reached, or went away in the middle."""

    code = "sidecar_unavailable"

    def __init__(self, service: str, message: str) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service


class CallEnded(HerOsError):
    """The line is gone: the caller hung up or the network did."""

    code = "call_ended"


class CancelledTurn(HerOsError):
    """Work belonged to a turn that an interruption has ended."""

    code = "cancelled_turn"


class IllegalTransition(HerOsError):
    """A state machine was asked for an arrow that its table does not have."""

    code = "illegal_transition"


class ToolError(HerOsError):
    """A tool refused its arguments or failed. `say` tells the caller so, in words."""

    code = "tool"

    def __init__(self, message: str, *, say: str) -> None:
        super().__init__(message)
        self.say = say


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory is behind it: the loader of shared libraries says so in words only."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and any(words in str(error) for words in ("map segment", "allocate memory")))
    )
