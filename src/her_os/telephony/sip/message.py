"""SIP messages: a tolerant parser, a strict check, and a serialiser that keeps raw values (RFC 3261, section 7).

`parse_message` takes a datagram apart and refuses only what cannot be read. `check_request` then says
what makes a readable request unanswerable by anything but 4xx.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.errors import BadRequest
from her_os.telephony.sip.headers import Headers, parse_headers
from her_os.telephony.sip.lexing import bounded_int, is_token
from her_os.telephony.sip.uri import NameAddress, parse_name_address
from her_os.telephony.sip.via import Via, parse_via

VERSION = "SIP/2.0"
MAX_MESSAGE_BYTES = 65_535
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_LINE_END = re.compile(r"\r\n|\n|\r")
_ONCE = ("From", "To", "Call-ID", "CSeq")


@dataclass(slots=True)
class SipMessage:
    """What requests and responses share. The accessors raise ProtocolError for a value they cannot read."""

    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def call_id(self) -> str:
        return self.headers.get("Call-ID")

    @property
    def from_(self) -> NameAddress:
        return parse_name_address(self.headers.get("From"))

    @property
    def to(self) -> NameAddress:
        return parse_name_address(self.headers.get("To"))

    @property
    def cseq(self) -> tuple[int, str]:
        """Sequence number and method."""
        number, *method = self.headers.get("CSeq").split() or [""]
        return bounded_int(number, "CSeq", 2**32 - 1), " ".join(method)

    @property
    def top_via(self) -> Via:
        values = self.headers.values("Via")
        if not values:
            raise ProtocolError("the message has no Via")
        return parse_via(values[0])

    @property
    def contact(self) -> NameAddress | None:
        """The first Contact, if there is one that can be read and is not `*`."""
        values = self.headers.values("Contact")
        return parse_name_address(values[0]) if values and values[0] != "*" else None

    @property
    def content_type(self) -> str:
        """Media type in lower case, without parameters."""
        return self.headers.get("Content-Type").partition(";")[0].strip().lower()

    def _serialise(self, start_line: str) -> bytes:
        self.headers.set("Content-Length", str(len(self.body)))
        lines = [start_line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(slots=True)
class SipRequest(SipMessage):
    """A request; `uri` is the raw Request-URI."""

    method: str = ""
    uri: str = ""
    version: str = VERSION

    def to_bytes(self) -> bytes:
        return self._serialise(f"{self.method} {self.uri} {self.version}")


@dataclass(slots=True)
class SipResponse(SipMessage):
    """A response."""

    status: int = 0
    phrase: str = ""

    @property
    def final(self) -> bool:
        return self.status >= 200

    def to_bytes(self) -> bytes:
        return self._serialise(f"{VERSION} {self.status} {self.phrase}")


def parse_message(data: bytes) -> SipRequest | SipResponse:
    """Take one datagram apart. Raises ProtocolError when it is not a SIP message."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError("the datagram is too long")
    data = data.lstrip(b"\r\n")
    blank = _BLANK_LINE.search(data)
    head, body = (data[: blank.start()], data[blank.end() :]) if blank else (data, b"")
    start_line, *lines = _LINE_END.split(head.decode("utf-8", "surrogateescape"))
    headers = parse_headers([line for line in lines if line])
    message = _parse_start_line(start_line.rstrip(" \t"), headers)
    message.body = body
    return message


def _parse_start_line(line: str, headers: Headers) -> SipRequest | SipResponse:
    if line[:4].upper() == "SIP/":
        version, _, rest = line.partition(" ")
        code, _, phrase = rest.strip().partition(" ")
        status = bounded_int(code, "status code", 699)
        if version.upper() != VERSION or status < 100:
            raise ProtocolError(f"not a SIP/2.0 response: {line[:60]!r}")
        return SipResponse(headers=headers, status=status, phrase=phrase.strip())
    parts = line.split(" ")
    if len(parts) != 3 or not is_token(parts[0]) or not parts[1] or parts[2][:4].upper() != "SIP/":
        raise ProtocolError(f"not a SIP start line: {line[:60]!r}")
    return SipRequest(headers=headers, method=parts[0], uri=parts[1], version=parts[2].upper())


def check_request(request: SipRequest) -> None:
    """Refuse a request that lacks what every request needs (RFC 3261, section 8.1.1); trims its body.

    Raises BadRequest with the status to answer; plain ProtocolError where not even an answer can be addressed.
    """
    _ = request.top_via
    for name in _ONCE:
        if len(request.headers.lines(name)) != 1 or not request.headers.get(name):
            raise BadRequest(400, f"exactly one {name} is needed")
    if request.version != VERSION:
        raise BadRequest(505, f"{request.version[:20]} is not supported")
    try:
        _check_values(request)
    except BadRequest:
        raise
    except ProtocolError as error:
        raise BadRequest(400, error.message) from error


def _check_values(request: SipRequest) -> None:
    if request.cseq[1] != request.method:
        raise BadRequest(400, "CSeq names another method")
    for address in (request.from_, request.to):
        if any(character in address.uri for character in "<> \t"):
            raise BadRequest(400, "From or To is not an address")
    scheme = request.uri.partition(":")[0].lower()
    if "<" in request.uri or ":" not in request.uri:
        raise BadRequest(400, "the Request-URI is malformed")
    if scheme not in ("sip", "sips", "tel"):
        raise BadRequest(416, f"the URI scheme {scheme[:20]!r} is not supported")
    trim_body(request)


def trim_body(message: SipMessage) -> None:
    """Cut the body to Content-Length. Raises ProtocolError when the datagram holds less than announced."""
    announced = message.headers.lines("Content-Length")
    if not announced:
        return
    length = bounded_int(announced[0], "Content-Length", MAX_MESSAGE_BYTES)
    if length > len(message.body):
        raise ProtocolError("the body is shorter than Content-Length")
    message.body = message.body[:length]
