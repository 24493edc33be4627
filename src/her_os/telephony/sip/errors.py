"""What can go wrong between two SIP user agents; all part of the one error tree.

`BadRequest` is a ProtocolError, `CallRefused` a CallEnded; `RequestTimeout` and `NotAcceptable` stand for themselves.
"""

from __future__ import annotations

from her_os.contracts.errors import CallEnded, HerOsError, ProtocolError


class BadRequest(ProtocolError):
    """A request we understand well enough to refuse it with `status`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class CallRefused(CallEnded):
    """The far end refused: `status` and `phrase` are its answer, `reason` its Reason or Warning text."""

    code = "call_refused"

    def __init__(self, status: int, phrase: str, reason: str = "") -> None:
        super().__init__(f"refused with {status} {phrase}" + (f" ({reason})" if reason else ""))
        self.status, self.phrase, self.reason = status, phrase, reason


class RequestTimeout(HerOsError):
    """No final answer came within 64*T1 (RFC 3261, timers B and F)."""

    code = "sip_timeout"


class NotAcceptable(HerOsError):
    """The session description offers nothing that we can speak (488)."""

    code = "sip_not_acceptable"
