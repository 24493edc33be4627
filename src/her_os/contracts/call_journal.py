"""What a conversation tells its journal (the call log), as it happens. Writing is the journal's business."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Outcome = Literal["answered", "interrupted", "failed", "silent"]
"""`silent`: the model had nothing to say."""


class LegTiming(msgspec.Struct, frozen=True):
    """One leg of a cancel chain: how long it took, and what went wrong if it did."""

    name: str
    milliseconds: float
    ok: bool
    detail: str = ""


class CancelTrace(msgspec.Struct, frozen=True):
    """One run of the cancel chain. Times in milliseconds, from the confirmed onset."""

    turn: int
    reason: str
    flushed_samples: int
    total_ms: float
    legs: tuple[LegTiming, ...]

    @property
    def ok(self) -> bool:
        """Whether every leg did its work."""
        return all(leg.ok for leg in self.legs)


class TurnRecord(msgspec.Struct, frozen=True):
    """A finished turn. `first_audio_ms` is from the end of the caller's speech to the first sample played.

    `heard_text` is what the caller can have heard of `reply_text`.
    """

    turn: int
    caller_text: str
    reply_text: str
    heard_text: str
    outcome: Outcome
    tools: tuple[str, ...] = ()
    first_audio_ms: float | None = None
    cancel: CancelTrace | None = None
    error: str = ""


class CallJournal(Protocol):
    """Keeps what happened in one call. Called on the event loop; must not block it; never raises."""

    def turn_begun(self, turn: int, caller_text: str) -> None:
        """A turn is about to be answered: what the caller said must outlive a crash."""
        ...

    def turn_finished(self, record: TurnRecord) -> None:
        """The same turn, with all that became of it."""
        ...

    def note(self, kind: str, text: str) -> None:
        """Anything else worth keeping: a false alarm, a digit, a sidecar that went away."""
        ...
