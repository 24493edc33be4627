"""SIP URIs and the addresses that carry them in From, To, Contact and Route (RFC 3261, sections 19.1 and 20.10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote as percent_decode

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.lexing import bounded_int, parse_parameters, quote, split_outside, unquote

DEFAULT_PORT, DEFAULT_TLS_PORT = 5060, 5061


@dataclass(frozen=True, slots=True)
class SipUri:
    """`scheme:user@host:port;parameters`. `port` 0 stands for none given; `user` is percent-decoded."""

    scheme: str
    user: str
    host: str
    port: int = 0
    parameters: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to send to."""
        return self.host, self.port or DEFAULT_PORT


def parse_uri(text: str) -> SipUri:
    """Parse a sip: or sips: URI; `?headers` are dropped. Raises ProtocolError."""
    scheme, colon, rest = text.strip().partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in ("sip", "sips"):
        raise ProtocolError(f"not a sip: URI: {text[:60]!r}")
    userinfo, at, hostpart = rest.partition("@")
    if not at:
        userinfo, hostpart = "", rest
    hostpart = hostpart.partition("?")[0]
    authority, *parameters = hostpart.split(";")
    host, port = split_host_port(authority)
    user = percent_decode(userinfo.partition(":")[0])
    return SipUri(scheme, user, host, port, parse_parameters(parameters))


def split_host_port(text: str) -> tuple[str, int]:
    """Take `host`, `host:port`, `[v6]` or `[v6]:port` apart; port 0 where none is given. Raises ProtocolError."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest.strip() and not rest.strip().startswith(":")):
            raise ProtocolError(f"not a host: {text[:60]!r}")
        port_text = rest.strip()[1:]
    else:
        host, _, port_text = text.partition(":")
    host = host.strip()
    if not host or any(character in host for character in ' \t<>"@,'):
        raise ProtocolError(f"not a host: {text[:60]!r}")
    port = bounded_int(port_text, "port", 65535) if port_text.strip() else 0
    return host, port


def bracketed(host: str) -> str:
    """A host as it stands in a URI: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class NameAddress:
    """`"display name" <uri>;parameters`, the value of From, To, Contact, Route. `uri` is raw text."""

    uri: str
    display_name: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def tag(self) -> str:
        return self.parameters.get("tag", "")

    def parsed_uri(self) -> SipUri:
        """The URI taken apart. Raises ProtocolError."""
        return parse_uri(self.uri)


def parse_name_address(text: str) -> NameAddress:
    """Parse one From, To, Contact, Route or Record-Route value. Raises ProtocolError."""
    first, *rest = split_outside(text, ";")
    display, bracket, inside = _cut_at_bracket(first)
    if not bracket:
        uri, display = first.strip(), ""
    else:
        uri, closing, _ = inside.partition(">")
        if not closing:
            raise ProtocolError(f"an address lacks its closing bracket: {text[:60]!r}")
    if not uri.strip():
        raise ProtocolError(f"an address has no URI: {text[:60]!r}")
    return NameAddress(uri.strip(), unquote(display), parse_parameters(rest))


def _cut_at_bracket(text: str) -> tuple[str, str, str]:
    """Partition at the first `<` that is not inside a quoted display name."""
    quoted = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character == "<":
            return text[:index], "<", text[index + 1 :]
    return text, "", ""


def format_name_address(uri: str, display_name: str = "", tag: str = "") -> str:
    """`"display name" <uri>;tag=...` with what is given."""
    display = f"{quote(display_name)} " if display_name else ""
    return f"{display}<{uri}>" + (f";tag={tag}" if tag else "")
