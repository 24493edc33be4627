"""Offer and answer (RFC 3264): which codec, where to, in which direction, and whether the far end holds the call."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.telephony.rtp.protection import MediaKeys
from her_os.telephony.sip.crypto_lines import OFFERED, CryptoLine, best_of, new_line
from her_os.telephony.sip.errors import NotAcceptable
from her_os.telephony.sip.sdp import (
    STATIC_CODECS,
    MediaStream,
    format_audio,
    format_refused,
    format_sdp,
    parse_sdp,
)

DTMF_PAYLOAD_TYPE = 101
PLAIN_TRANSPORTS = ("RTP/AVP", "RTP/AVPF")
SECURE_TRANSPORTS = ("RTP/SAVP", "RTP/SAVPF")
_MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_PAYLOAD_TYPES = {name: number for number, name in STATIC_CODECS.items()}


@dataclass(frozen=True, slots=True)
class AudioSession:
    """What both sides agreed on. `send` and `receive` are our side's view."""

    remote: tuple[str, int]
    codec: str
    payload_type: int
    dtmf_payload_type: int | None
    send: bool
    receive: bool
    held: bool
    """The far end has put us on hold."""
    ptime_ms: int = 20
    keys: MediaKeys | None = None
    """None: the sound goes in the open."""


class Negotiator:
    """One call's offers and answers. `codecs` in our order of preference, names as in SDP.

    Protected sound (SRTP) is answered where it is offered. With `secure` nothing else is offered or answered.
    """

    def __init__(self, host: str, port: int, codecs: Sequence[str], *, secure: bool = False) -> None:
        self._host, self._port, self._codecs, self._secure = host, port, tuple(codecs), secure
        self._offered: tuple[CryptoLine, ...] = ()
        self._session_id = secrets.randbits(31)
        self._version = 0
        self._text: list[str] = []
        self._refused: list[str | None] = [None]
        self._agreed: AudioSession | None = None
        self._holding = False

    @property
    def agreed(self) -> AudioSession | None:
        """The last agreement, if there is one."""
        return self._agreed

    def offer(self, *, hold: bool = False) -> bytes:
        """Offer every codec, or after an agreement the agreed one; `hold` puts the far end on hold."""
        codecs = [(_PAYLOAD_TYPES[name], name) for name in self._codecs]
        dtmf: int | None = DTMF_PAYLOAD_TYPE
        if self._agreed is not None:
            codecs = [(self._agreed.payload_type, self._agreed.codec)]
            dtmf = self._agreed.dtmf_payload_type
        self._holding = hold
        own = format_audio(
            self._port,
            codecs,
            dtmf,
            "sendonly" if hold else "sendrecv",
            transport="RTP/SAVP" if self._keys_to_offer() else "RTP/AVP",
            crypto=self._offered,
        )
        return self._publish([own if refused is None else refused for refused in self._refused])

    def answer(self, offer: bytes) -> tuple[bytes, AudioSession]:
        """Answer an offer with the codec we like best of it.

        Raises NotAcceptable and ProtocolError, and changes nothing then.
        """
        streams = parse_sdp(offer)
        chosen = next((stream for stream in streams if self._choose(stream)), None)
        if chosen is None:
            raise NotAcceptable(f"no audio stream with any of {', '.join(self._codecs)}")
        crypto = self._answer_key(chosen)
        keys = MediaKeys(crypto[0].suite, crypto[0].key, crypto[1].key) if crypto else None
        session = self._session(chosen, *self._choose(chosen)[0], keys)
        own = format_audio(
            self._port,
            [(session.payload_type, session.codec)],
            session.dtmf_payload_type,
            _direction_of(session),
            transport=chosen.transport,
            crypto=crypto[:1] if crypto else (),
        )
        self._refused = [None if stream is chosen else format_refused(stream) for stream in streams]
        self._agreed = session
        return self._publish([own if refused is None else refused for refused in self._refused]), session

    def accept(self, answer: bytes) -> AudioSession:
        """Take the answer to our last offer. Raises NotAcceptable, ProtocolError."""
        streams = parse_sdp(answer)
        usable = [stream for stream in streams if stream.kind == "audio" and stream.port and stream.host]
        choices = [(stream, codec) for stream in usable for codec in stream.codecs if codec[1] in self._codecs]
        if not choices:
            raise NotAcceptable("the answer accepts no audio")
        stream, codec = choices[0]
        self._agreed = self._session(stream, *codec, self._accepted_keys(stream))
        return self._agreed

    def _keys_to_offer(self) -> bool:
        """Puts the keys of the next offer into `_offered`; False for an offer in the open."""
        agreed = self._agreed
        if agreed is not None:
            self._offered = (CryptoLine(1, agreed.keys.suite, agreed.keys.ours),) if agreed.keys else ()
        elif self._secure and not self._offered:
            self._offered = tuple(new_line(tag, suite) for tag, suite in enumerate(OFFERED, 1))
        return bool(self._offered)

    def _answer_key(self, stream: MediaStream) -> tuple[CryptoLine, CryptoLine] | None:
        """Our key and theirs; ours stays the same as long as they keep theirs."""
        theirs = best_of(stream.crypto) if stream.transport.upper() in SECURE_TRANSPORTS else None
        if theirs is None:
            return None
        before = self._agreed.keys if self._agreed else None
        if before is not None and (before.suite, before.theirs) == (theirs.suite, theirs.key):
            return CryptoLine(theirs.tag, theirs.suite, before.ours), theirs
        return new_line(theirs.tag, theirs.suite), theirs

    def _accepted_keys(self, stream: MediaStream) -> MediaKeys | None:
        """The keys of an answer to our offer. Raises NotAcceptable when it would leave the sound unprotected."""
        for ours in self._offered:
            for theirs in stream.crypto:
                if (ours.tag, ours.suite) == (theirs.tag, theirs.suite):
                    return MediaKeys(ours.suite, ours.key, theirs.key)
        if self._offered:
            raise NotAcceptable("the answer does not protect the sound")
        return None

    def _choose(self, stream: MediaStream) -> list[tuple[int, str]]:
        """The stream's codecs that we speak, best first; empty for a stream to refuse."""
        if stream.kind != "audio" or not stream.port or not stream.host:
            return []
        transport = stream.transport.upper()
        plain = transport in PLAIN_TRANSPORTS and not self._secure
        if not plain and not (transport in SECURE_TRANSPORTS and stream.crypto):
            return []
        return [codec for name in self._codecs for codec in stream.codecs if codec[1] == name]

    def _session(self, stream: MediaStream, payload_type: int, codec: str, keys: MediaKeys | None) -> AudioSession:
        theirs = stream.direction
        if stream.on_hold and theirs in ("sendrecv", "recvonly"):
            theirs = "sendonly" if theirs == "sendrecv" else "inactive"
        mine = _MIRROR[theirs]
        return AudioSession(
            remote=(stream.host, stream.port),
            codec=codec,
            payload_type=payload_type,
            dtmf_payload_type=stream.dtmf_payload_type,
            send=mine in ("sendrecv", "sendonly"),
            receive=mine in ("sendrecv", "recvonly") and not self._holding,
            held=stream.on_hold,
            ptime_ms=stream.ptime_ms or 20,
            keys=keys,
        )

    def _publish(self, sections: list[str]) -> bytes:
        """The version of the origin line grows with every change (RFC 3264, section 8)."""
        if sections != self._text:
            self._text = sections
            self._version += 1
        return format_sdp(self._host, self._session_id, self._version, sections)


def _direction_of(session: AudioSession) -> str:
    if session.send:
        return "sendrecv" if session.receive else "sendonly"
    return "recvonly" if session.receive else "inactive"
