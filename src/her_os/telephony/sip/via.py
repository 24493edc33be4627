"""The Via header: where an answer goes (RFC 3261, section 18.2; rport: RFC 3581)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.lexing import parse_parameters, split_outside
from her_os.telephony.sip.uri import DEFAULT_PORT, split_host_port

MAGIC_COOKIE = "z9hG4bK"
Address = tuple[str, int]
StreamProtocol = Literal["tcp", "tls"]


class StreamAddress(tuple[str, int]):
    """An Address that is reached by a connection; a plain one is reached by datagrams.

    `name` is who must answer there by TLS.
    """

    protocol: StreamProtocol
    name: str

    def __new__(cls, host: str, port: int, protocol: StreamProtocol, name: str = "") -> StreamAddress:
        address = super().__new__(cls, (host, port))
        address.protocol, address.name = protocol, name or host
        return address


def protocol_of(address: Address) -> Literal["udp", "tcp", "tls"]:
    """How an address is reached."""
    return address.protocol if isinstance(address, StreamAddress) else "udp"


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value. `port` 0 stands for none given."""

    transport: str
    host: str
    port: int
    parameters: dict[str, str]

    @property
    def branch(self) -> str:
        return self.parameters.get("branch", "")

    @property
    def has_magic_branch(self) -> bool:
        """Whether the branch identifies the transaction by itself (RFC 3261), unlike RFC 2543's."""
        return self.branch.lower().startswith(MAGIC_COOKIE.lower()) and len(self.branch) > len(MAGIC_COOKIE)


def parse_via(text: str) -> Via:
    """Parse one Via value, with white space around its slashes and colon, of any version. Raises ProtocolError."""
    sent, *parameters = split_outside(text, ";")
    name, _, rest = sent.partition("/")
    _version, slash, rest = rest.partition("/")
    words = rest.split(None, 1)
    if not slash or len(words) != 2 or name.strip().upper() != "SIP":
        raise ProtocolError(f"not a Via: {text[:60]!r}")
    host, port = split_host_port(words[1])
    return Via(words[0].upper(), host, port, parse_parameters(parameters))


def stamp_via(line: str, source: Address) -> str:
    """The raw Via line of a received request with `received` and `rport` filled into its first value.

    Everything else in the line stays as it came. Raises ProtocolError.
    """
    first, *others = split_outside(line, ",")
    via = parse_via(first)
    sent, *parameters = split_outside(first.rstrip(), ";")
    wants_rport = "rport" in via.parameters
    kept = [part for part in parameters if part.partition("=")[0].strip().lower() not in ("received", "rport")]
    if wants_rport or via.host != source[0]:
        kept.append(f"received={source[0]}")
    if wants_rport:
        kept.append(f"rport={source[1]}")
    return ",".join([";".join([sent, *kept]), *others])


def reply_address(via: Via, source: Address) -> Address:
    """Where the answer to a request with this top Via goes, when the request came from `source`."""
    if "rport" in via.parameters or isinstance(source, StreamAddress):
        return source
    return source[0], via.port or DEFAULT_PORT
