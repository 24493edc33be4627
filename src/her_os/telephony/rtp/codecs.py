"""The line's codecs as her-os sees them: 16 kHz PCM on one side, RTP payload on the other.

G.722, PCMU and PCMA have this in common: 64 kbit/s, and an RTP clock of 8 kHz (for G.722 by the historical error
that RFC 3551 section 4.5.2 keeps), so one payload byte is one tick of the timestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from her_os.audio import g711
from her_os.audio.g722 import G722Decoder, G722Encoder
from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ProtocolError

_T = TypeVar("_T")

CLOCK_RATE = 8_000
STATIC_PAYLOAD_TYPES = {0: "PCMU", 8: "PCMA", 9: "G722"}
"""RFC 3551 table 4."""


class Encoder(Protocol):
    """One outgoing stream."""

    def encode(self, pcm: bytes) -> bytes:
        """16 kHz PCM to payload."""
        ...


class Decoder(Protocol):
    """One incoming stream."""

    def decode(self, payload: bytes) -> bytes:
        """Payload to 16 kHz PCM, four bytes for each byte."""
        ...


@dataclass
class G711Encoder:
    """G.711 behind a 16 to 8 kHz resampler."""

    law: Callable[[bytes], bytes]

    def __post_init__(self) -> None:
        self._resampler = StreamResampler(CONVERSATION_RATE, CLOCK_RATE)

    def encode(self, pcm: bytes) -> bytes:
        return self.law(self._resampler.process(pcm))


@dataclass
class G711Decoder:
    """G.711 before an 8 to 16 kHz resampler."""

    law: Callable[[bytes], bytes]

    def __post_init__(self) -> None:
        self._resampler = StreamResampler(CLOCK_RATE, CONVERSATION_RATE)

    def decode(self, payload: bytes) -> bytes:
        return self._resampler.process(self.law(payload))


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "G722": G722Encoder,
    "PCMU": lambda: G711Encoder(g711.encode_ulaw),
    "PCMA": lambda: G711Encoder(g711.encode_alaw),
}
_DECODERS: dict[str, Callable[[], Decoder]] = {
    "G722": G722Decoder,
    "PCMU": lambda: G711Decoder(g711.decode_ulaw),
    "PCMA": lambda: G711Decoder(g711.decode_alaw),
}


def make_encoder(codec: str) -> Encoder:
    """A fresh encoder of "G722", "PCMU" or "PCMA". Raises ProtocolError for another name."""
    return _known(_ENCODERS, codec)()


def make_decoder(codec: str) -> Decoder:
    """A fresh decoder of "G722", "PCMU" or "PCMA". Raises ProtocolError for another name."""
    return _known(_DECODERS, codec)()


def _known(table: Mapping[str, _T], codec: str) -> _T:
    if codec not in table:
        raise ProtocolError(f"no codec {codec!r}; there are {', '.join(table)}")
    return table[codec]
