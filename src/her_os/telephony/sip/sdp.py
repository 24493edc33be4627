"""Session descriptions as a telephone needs them (RFC 4566): read any, keep the audio of interest.

Offer and answer are made in `negotiation`; here is only the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.crypto_lines import CryptoLine, parse_crypto_lines
from her_os.telephony.sip.lexing import bounded_int, int_or_none

MAX_SDP_BYTES = 16_384
MAX_STREAMS = 16
MAX_PAYLOAD_TYPE = 127
MAX_PTIME_MS = 200
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
STATIC_CODECS = {0: "PCMU", 8: "PCMA", 9: "G722"}
"""Payload types that need no rtpmap (RFC 3551); G722's clock is 8000 by an old mistake that stands."""


@dataclass(frozen=True, slots=True)
class MediaStream:
    """One `m=` line with what belongs to it. `codecs` maps payload types to names in capitals, 8 kHz clock only.

    `host` is empty where there is no connection line. `direction` is the sender's own view. `ptime_ms` 0: not given.
    """

    kind: str
    port: int
    transport: str
    formats: tuple[str, ...]
    host: str
    direction: str = "sendrecv"
    codecs: tuple[tuple[int, str], ...] = ()
    ptime_ms: int = 0
    crypto: tuple[CryptoLine, ...] = ()

    @property
    def dtmf_payload_type(self) -> int | None:
        """Payload type of RFC 4733 events, if offered."""
        return next((number for number, name in self.codecs if name == "TELEPHONE-EVENT"), None)

    @property
    def on_hold(self) -> bool:
        """Whether its sender does not want to hear us: sendonly, inactive, or the old c=0.0.0.0."""
        return self.direction in ("sendonly", "inactive") or self.host in ("0.0.0.0", "::")  # noqa: S104 - compared


def parse_sdp(body: bytes) -> tuple[MediaStream, ...]:
    """The media streams of a description, in order. Raises ProtocolError when it is not one."""
    if len(body) > MAX_SDP_BYTES:
        raise ProtocolError("the session description is too long")
    lines = [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines or not lines[0].startswith("v="):
        raise ProtocolError("the session description does not begin with v=")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > MAX_STREAMS:
        raise ProtocolError("too many media streams")
    session_host = _host(sections[0], "")
    session_direction = _direction(sections[0], "sendrecv")
    return tuple(_parse_stream(section, session_host, session_direction) for section in sections[1:])


def _parse_stream(lines: Sequence[str], session_host: str, session_direction: str) -> MediaStream:
    words = lines[0][2:].split()
    if len(words) < 4:
        raise ProtocolError(f"not a media line: {lines[0][:60]!r}")
    kind, port, transport, *formats = words
    return MediaStream(
        kind=kind.lower(),
        port=bounded_int(port.partition("/")[0], "media port", 65535),
        transport=transport,
        formats=tuple(formats),
        host=_host(lines, session_host),
        direction=_direction(lines, session_direction),
        codecs=_codecs(formats, lines),
        ptime_ms=_ptime(lines),
        crypto=parse_crypto_lines(lines),
    )


def _host(lines: Sequence[str], default: str) -> str:
    for line in lines:
        words = line[2:].split()
        if line.startswith("c=") and len(words) >= 3:
            return words[2].partition("/")[0]
    return default


def _direction(lines: Sequence[str], default: str) -> str:
    found = [line[2:].strip().lower() for line in lines if line.startswith("a=")]
    return next((value for value in found if value in DIRECTIONS), default)


def _codecs(formats: Sequence[str], lines: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Payload types in the order of the media line, with their codec names."""
    mapped: dict[int, tuple[str, str]] = {}
    for line in lines:
        text, _, encoding = line.removeprefix("a=rtpmap:").strip().partition(" ")
        number = int_or_none(text, MAX_PAYLOAD_TYPE)
        if line.startswith("a=rtpmap:") and number is not None:
            name, _, rate = encoding.strip().partition("/")
            mapped[number] = (name.upper(), rate.partition("/")[0])
    codecs: list[tuple[int, str]] = []
    for text in formats:
        number = int_or_none(text, MAX_PAYLOAD_TYPE)
        if number is None:
            continue
        name, rate = mapped.get(number, (STATIC_CODECS.get(number, ""), "8000"))
        if name and rate in ("8000", ""):
            codecs.append((number, name))
    return tuple(codecs)


def _ptime(lines: Sequence[str]) -> int:
    for line in lines:
        ptime_ms = int_or_none(line.removeprefix("a=ptime:"), MAX_PTIME_MS)
        if line.startswith("a=ptime:") and ptime_ms:
            return ptime_ms
    return 0


def format_sdp(host: str, session_id: int, version: int, streams: Sequence[str]) -> bytes:
    """A whole description from media sections that are already text (each ends with a line break)."""
    family = "IP6" if ":" in host else "IP4"
    head = f"v=0\r\no=- {session_id} {version} IN {family} {host}\r\ns=her-os\r\nc=IN {family} {host}\r\nt=0 0\r\n"
    return (head + "".join(streams)).encode()


def format_audio(
    port: int,
    codecs: Sequence[tuple[int, str]],
    dtmf_payload_type: int | None,
    direction: str,
    *,
    transport: str = "RTP/AVP",
    ptime_ms: int = 20,
    crypto: Sequence[CryptoLine] = (),
) -> str:
    """The media section of our audio stream."""
    events = [] if dtmf_payload_type is None else [dtmf_payload_type]
    numbers = " ".join(str(number) for number in [*(number for number, _ in codecs), *events])
    lines = [f"m=audio {port} {transport} {numbers}"]
    lines += [f"a=rtpmap:{number} {name}/8000" for number, name in codecs]
    if dtmf_payload_type is not None:
        lines += [f"a=rtpmap:{dtmf_payload_type} telephone-event/8000", f"a=fmtp:{dtmf_payload_type} 0-15"]
    lines += [f"a=ptime:{ptime_ms}", f"a={direction}"]
    return "".join(f"{line}\r\n" for line in lines) + "".join(line.format() for line in crypto)


def format_refused(stream: MediaStream) -> str:
    """The media section that turns a stream of the offer down."""
    return f"m={stream.kind} 0 {stream.transport} {' '.join(stream.formats)}\r\n"
