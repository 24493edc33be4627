"""Answers built from the request they answer: routing headers echoed untouched (RFC 3261, section 8.2.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.lexing import quote
from her_os.telephony.sip.message import SipRequest, SipResponse

PHRASES = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    603: "Decline",
}
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: the status to answer and a text for the far end's Reason and Warning headers.

    `phrase` takes the place of the status' own: it is what most phones show on their display.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    phrase: str = ""

    def header_pairs(self) -> list[tuple[str, str]]:
        """Extra headers of the refusing response."""
        pairs = list(self.headers)
        if self.reason:
            pairs.append(("Reason", f"SIP;cause={self.status};text={quote(self.reason)}"))
            pairs.append(("Warning", f"399 her-os {quote(self.reason)}"))
        return pairs


def _tagged(request: SipRequest, tag: str) -> str:
    raw = request.headers.get("To")
    try:
        has_tag = bool(request.to.tag)
    except ProtocolError:
        return raw
    return f"{raw};tag={tag}" if tag and not has_tag else raw


def make_response(
    request: SipRequest, status: int, *, to_tag: str = "", extra: Pairs = (), body: bytes = b"", phrase: str = ""
) -> SipResponse:
    """A response to `request`; `to_tag` is added to To unless it has one already."""
    headers = Headers()
    for via in request.headers.lines("Via"):
        headers.add("Via", via)
    for route in request.headers.lines("Record-Route"):
        headers.add("Record-Route", route)
    headers.add("From", request.headers.get("From"))
    headers.add("To", _tagged(request, to_tag))
    headers.add("Call-ID", request.call_id)
    headers.add("CSeq", request.headers.get("CSeq"))
    if status == 100 and "Timestamp" in request.headers:
        headers.add("Timestamp", request.headers.get("Timestamp"))
    for name, value in extra:
        headers.add(name, value)
    return SipResponse(headers=headers, body=body, status=status, phrase=phrase or PHRASES.get(status, "Refused"))
