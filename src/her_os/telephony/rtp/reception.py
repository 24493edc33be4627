"""What the receiver of one stream counts: extended sequence, loss, jitter (RFC 3550 appendices A.1, A.3 and A.8)."""

from __future__ import annotations

_MAX_DROPOUT = 3_000
_MAX_MISORDER = 100


class ReceptionStatistics:
    """One SSRC's numbers; an accepted packet of another SSRC begins anew, the totals go on. Pure."""

    def __init__(self, clock_rate: int = 8_000) -> None:
        self._clock_rate = clock_rate
        self.ssrc: int | None = None
        self._lost_before = 0
        self._received_before = 0

    def _begin(self, ssrc: int, sequence: int) -> None:
        self._received_before, self._lost_before = self.received_total, self.lost_total
        self.ssrc = ssrc
        self._base = self._highest = sequence
        self._bad = -1
        self._cycles = self._received = self._expected_prior = self._received_prior = 0
        self._transit: float | None = None
        self._jitter = 0.0

    def packet(self, ssrc: int, sequence: int) -> None:
        """Count one accepted packet (A.1)."""
        if ssrc != self.ssrc:
            self._begin(ssrc, sequence)
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead < _MAX_DROPOUT:
            self._cycles += sequence < self._highest
            self._highest = sequence
        elif ahead <= 0x1_0000 - _MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) & 0xFFFF
                return
            self._begin(ssrc, sequence)
        self._received += 1

    def audio(self, timestamp: int, arrival_s: float) -> None:
        """Follow the jitter of an audio packet just counted (A.8)."""
        transit = (int(arrival_s * self._clock_rate) - timestamp) & 0xFFFF_FFFF
        if self._transit is not None:
            difference = abs((transit - int(self._transit) + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000)
            if difference < self._clock_rate:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    @property
    def _expected(self) -> int:
        return 0 if self.ssrc is None else (self._cycles << 16) + self._highest - self._base + 1

    @property
    def received_total(self) -> int:
        """Packets of the call."""
        return self._received_before + (0 if self.ssrc is None else self._received)

    @property
    def lost_total(self) -> int:
        """Packets of the call that never came; duplicates cannot make it negative."""
        return self._lost_before + (0 if self.ssrc is None else max(0, self._expected - self._received))

    @property
    def extended_highest(self) -> int:
        return (self._cycles << 16) + self._highest

    @property
    def cumulative_lost(self) -> int:
        """For a report block: of this SSRC, in 24 bits signed (A.3)."""
        return max(-0x80_0000, min(0x7F_FFFF, self._expected - self._received))

    @property
    def jitter_units(self) -> int:
        """Interarrival jitter in timestamp units."""
        return 0 if self.ssrc is None else int(self._jitter)

    @property
    def jitter_ms(self) -> float:
        return 0.0 if self.ssrc is None else self._jitter * 1000 / self._clock_rate

    def fraction_lost(self) -> int:
        """Loss since the last call of this method, in 1/256 (A.3)."""
        expected = self._expected - self._expected_prior
        received = self._received - self._received_prior
        self._expected_prior, self._received_prior = self._expected, self._received
        lost = expected - received
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
