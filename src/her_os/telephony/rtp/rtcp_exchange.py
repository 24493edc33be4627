"""One call's RTCP: what we report of the peer's stream, and what its reports tell us. Thread-safe."""

from __future__ import annotations

import threading

from her_os.telephony.rtp import rtcp
from her_os.telephony.rtp.latch import Address
from her_os.telephony.rtp.reception import ReceptionStatistics

FIRST_REPORT_S = 1.0
REPORT_INTERVAL_S = 5.0


class RtcpExchange:
    """Times are `time.monotonic()`; `wall_offset` turns them into Unix time once, so a set clock does no harm."""

    def __init__(self, ssrc: int, cname: str, reception: ReceptionStatistics, wall_offset: float) -> None:
        self._ssrc, self._cname, self._reception, self._wall_offset = ssrc, cname, reception, wall_offset
        self._lock = threading.Lock()
        self._last_report: tuple[int, int, float] | None = None
        self._source: Address | None = None
        self._multiplexed = False
        self._next_due: float | None = None
        self.round_trip_s: float | None = None
        self.peer_fraction_lost = 0.0
        self.peer_jitter_units = 0
        self.reports_sent = self.reports_received = 0

    def _ntp(self, now: float) -> int:
        return rtcp.ntp_time(now + self._wall_offset)

    def received(self, datagram: bytes, source: Address, now: float, *, multiplexed: bool) -> None:
        """Take a compound packet from the peer's host. Raises ProtocolError for a broken one."""
        packets = rtcp.parse_compound(datagram)
        with self._lock:
            self._source, self._multiplexed = source, multiplexed
            for packet in packets:
                if isinstance(packet, rtcp.Report):
                    self._take(packet, now)

    def _take(self, report: rtcp.Report, now: float) -> None:
        self.reports_received += 1
        if report.ntp is not None:
            self._last_report = (report.ssrc, rtcp.middle(report.ntp), now)
        for block in report.blocks:
            if block.ssrc == self._ssrc:
                self.peer_fraction_lost = block.fraction_lost / 256
                self.peer_jitter_units = block.jitter
                measured = rtcp.round_trip_s(block, self._ntp(now))
                if measured is not None:
                    self.round_trip_s = measured

    def due(self, now: float) -> bool:
        """Whether a report is due; the first a second after the first question, then every 5 s."""
        if self._next_due is None:
            self._next_due = now + FIRST_REPORT_S
        if now < self._next_due:
            return False
        self._next_due = now + REPORT_INTERVAL_S
        return True

    def build(self, now: float, timestamp: int, packets: int, octets: int, *, goodbye: bool = False) -> bytes:
        """A compound packet: a sender report once something was sent, else a receiver report."""
        with self._lock:
            self.reports_sent += 1
            report = rtcp.Report(
                self._ssrc,
                self._blocks(now),
                self._ntp(now) if packets else None,
                timestamp & 0xFFFF_FFFF,
                packets,
                octets,
            )
        return rtcp.build_compound(report, self._cname, goodbye=goodbye)

    def _blocks(self, now: float) -> tuple[rtcp.ReportBlock, ...]:
        heard = self._reception
        if heard.ssrc is None:
            return ()
        last, delay = 0, 0
        if self._last_report is not None and self._last_report[0] == heard.ssrc:
            _, last, arrived = self._last_report
            delay = int((now - arrived) * 65_536)
        block = rtcp.ReportBlock(
            heard.ssrc,
            heard.fraction_lost(),
            heard.cumulative_lost,
            heard.extended_highest,
            heard.jitter_units,
            last,
            delay,
        )
        return (block,)

    def destination(self, media: Address) -> tuple[Address, bool]:
        """Where reports go, given where media goes, and whether they leave by the RTP socket.

        The port above the media's, until the peer's own reports show another place.
        """
        with self._lock:
            if self._source is None or self._source[0] != media[0]:
                return (media[0], min(65_535, media[1] + 1)), False
            return (media, True) if self._multiplexed else (self._source, False)
