"""RTCP packets (RFC 3550 section 6): sender and receiver reports, CNAME, BYE, and the round trip time. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
_NTP_EPOCH_OFFSET = 2_208_988_800
"""Seconds from 1900 to 1970."""

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!QIII")
_BLOCK_BYTES = 24
_CNAME = 1


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one stream (section 6.4.1). Jitter in timestamp units, `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report (`ntp` is 64 bits) or a receiver report (`ntp` is None)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()
    ntp: int | None = None
    rtp_timestamp: int = 0
    packets: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A source has left."""

    ssrc: int


def ntp_time(unix_time: float) -> int:
    """64-bit NTP timestamp of a `time.time()`."""
    return round((unix_time + _NTP_EPOCH_OFFSET) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


def middle(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp, as LSR carries them."""
    return ntp >> 16 & 0xFFFF_FFFF


def round_trip_s(block: ReportBlock, ntp_arrival: int) -> float | None:
    """Round trip by a block about our stream: arrival - LSR - DLSR (section 6.4.1).

    None where the peer has had no report of ours yet, or the clock was set in between (below 0 or beyond 10 s).
    """
    if block.last_sender_report == 0:
        return None
    units = (middle(ntp_arrival) - block.last_sender_report - block.delay) & 0xFFFF_FFFF
    if units >= 0x8000_0000:
        units = 0 if 0x1_0000_0000 - units < 0x1_0000 // 20 else units
    return units / 65_536 if units < 10 * 65_536 else None


def build_compound(report: Report, cname: str, *, goodbye: bool = False) -> bytes:
    """A report with its source description, and a BYE where the source leaves (section 6.1)."""
    body = struct.pack("!I", report.ssrc)
    if report.ntp is not None:
        body += _SENDER.pack(
            report.ntp, report.rtp_timestamp, report.packets & 0xFFFF_FFFF, report.octets & 0xFFFF_FFFF
        )
    body += b"".join(_pack_block(block) for block in report.blocks[:31])
    kind = RECEIVER_REPORT if report.ntp is None else SENDER_REPORT
    name = cname.encode()[:255]
    item = struct.pack("!IBB", report.ssrc, _CNAME, len(name)) + name
    item += bytes(4 - len(item) % 4)
    packets = [_packet(kind, len(report.blocks[:31]), body), _packet(SOURCE_DESCRIPTION, 1, item)]
    if goodbye:
        packets.append(_packet(BYE, 1, struct.pack("!I", report.ssrc)))
    return b"".join(packets)


def parse_compound(datagram: bytes) -> list[Report | Goodbye]:
    """The reports and goodbyes of a compound packet; other kinds are passed over.

    Raises ProtocolError where a version or length does not hold.
    """
    found: list[Report | Goodbye] = []
    at = 0
    while at < len(datagram):
        if len(datagram) - at < 8:
            raise ProtocolError("an RTCP packet is cut off")
        first, kind, words = _HEADER.unpack_from(datagram, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(datagram):
            raise ProtocolError("an RTCP packet's version or length does not hold")
        body, count = datagram[at + 4 : end], first & 0x1F
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            found.append(_parse_report(kind, count, body))
        elif kind == BYE and count and len(body) >= 4 * count:
            found += [Goodbye(ssrc) for ssrc in struct.unpack_from(f"!{count}I", body)]
        at = end
    return found


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _pack_block(block: ReportBlock) -> bytes:
    return struct.pack(
        "!IIIIII",
        block.ssrc,
        (block.fraction_lost & 0xFF) << 24 | block.cumulative_lost & 0xFF_FFFF,
        block.highest_sequence & 0xFFFF_FFFF,
        block.jitter & 0xFFFF_FFFF,
        block.last_sender_report,
        block.delay & 0xFFFF_FFFF,
    )


def _parse_report(kind: int, count: int, body: bytes) -> Report:
    start = 4 + (_SENDER.size if kind == SENDER_REPORT else 0)
    if len(body) < start + count * _BLOCK_BYTES:
        raise ProtocolError("an RTCP report is shorter than it says")
    (ssrc,) = struct.unpack_from("!I", body)
    blocks = tuple(_parse_block(body, start + index * _BLOCK_BYTES) for index in range(count))
    if kind == RECEIVER_REPORT:
        return Report(ssrc, blocks)
    ntp, rtp_timestamp, packets, octets = _SENDER.unpack_from(body, 4)
    return Report(ssrc, blocks, ntp, rtp_timestamp, packets, octets)


def _parse_block(body: bytes, at: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last, delay = struct.unpack_from("!6I", body, at)
    lost = loss & 0xFF_FFFF
    return ReportBlock(ssrc, loss >> 24, lost - 0x100_0000 if lost & 0x80_0000 else lost, highest, jitter, last, delay)
