"""RTP packets (RFC 3550 section 5.1), read with nothing trusted and written without padding or extensions."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError

VERSION = 2
HEADER_BYTES = 12
MAX_DATAGRAM_BYTES = 2_048
"""Larger datagrams are no voice packet: 200 ms of G.711 are 1,612 bytes."""

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet. `timestamp` counts at the payload type's clock rate and wraps at 2^32."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False


def parse_rtp(datagram: bytes) -> RtpPacket:
    """Read a datagram. Raises ProtocolError where any length in it does not hold."""
    size = len(datagram)
    if not HEADER_BYTES <= size <= MAX_DATAGRAM_BYTES:
        raise ProtocolError(f"an RTP packet of {size} bytes")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != VERSION:
        raise ProtocolError(f"RTP version {first >> 6}")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if start + _EXTENSION.size > size:
            raise ProtocolError("the RTP header extension is cut off")
        start += _EXTENSION.size + 4 * _EXTENSION.unpack_from(datagram, start)[1]
    end = size
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0:
            raise ProtocolError("RTP padding of 0 bytes")
        end -= padding
    if start > end:
        raise ProtocolError("RTP header and padding are longer than the packet")
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, datagram[start:end], bool(second & 0x80))


def build_rtp(packet: RtpPacket) -> bytes:
    """Write a packet; sequence, timestamp and SSRC are reduced to their field's width."""
    return (
        _HEADER.pack(
            VERSION << 6,
            packet.marker << 7 | packet.payload_type & 0x7F,
            packet.sequence & 0xFFFF,
            packet.timestamp & 0xFFFF_FFFF,
            packet.ssrc & 0xFFFF_FFFF,
        )
        + packet.payload
    )


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram on the RTP port is RTCP (RFC 5761 section 4: second byte 192 to 223)."""
    return len(datagram) >= 8 and datagram[0] >> 6 == VERSION and 192 <= datagram[1] <= 223
