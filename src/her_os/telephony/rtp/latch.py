"""Where the peer's media really comes from: symmetric RTP (RFC 4961) that a stranger cannot hijack.

Pure: addresses, SSRC, sequence and time are arguments. Addresses are numeric (host, port) pairs.

    signalled host, any port         latches at once; the signalled port takes the line back from another one, by
                                       the same rules as the host from another host
    another host (the peer is        latches after PROBATION packets in sequence of one SSRC, if nothing
      behind a NAT)                    came from the signalled host, which takes the line back whenever it speaks:
                                       within the first SETTLED packets at once, later after PROBATION
    any other source, once latched   refused, until the latched one has been silent: after MOVED_S seconds any source
                                       that goes on with the same SSRC (a NAT that rebound, a phone that roamed),
                                       after SILENT_S another port of the peer's host; both after PROBATION
"""

from __future__ import annotations

from dataclasses import dataclass

Address = tuple[str, int]

PROBATION = 3
SETTLED = 25
MOVED_S = 1.0
SILENT_S = 3.0
_SEQUENCE_SLACK = 50


@dataclass(slots=True)
class _Candidate:
    address: Address
    ssrc: int
    sequence: int
    count: int = 1


class SourceLatch:
    """Decides for each packet whether it is the peer's. Not thread-safe: the receiver owns it."""

    def __init__(self, signalled: Address) -> None:
        self.refused = 0
        self._signal(signalled)

    def _signal(self, signalled: Address) -> None:
        self._signalled = signalled
        self._latched: Address | None = None
        self._ssrc = 0
        self._accepted = 0
        self._t_last = 0.0
        self._candidate: _Candidate | None = None

    @property
    def latched(self) -> bool:
        return self._latched is not None

    @property
    def remote(self) -> Address:
        """Where to send: the latched source, before that the signalled address."""
        return self._latched or self._signalled

    def is_peer_host(self, host: str) -> bool:
        """Whether this is the latched or the signalled host, whose RTCP may be believed."""
        return host in (self.remote[0], self._signalled[0])

    def signal(self, signalled: Address) -> None:
        """The peer signalled its address (again). A new one opens the latch, the same one changes nothing."""
        if signalled != self._signalled:
            self._signal(signalled)

    def accept(self, source: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Whether a valid RTP packet from `source` belongs to the call."""
        if source == self._latched:
            return self._take(source, ssrc, now)
        if self._latched is None:
            if source[0] == self._signalled[0] or self._passed_probation(source, ssrc, sequence):
                return self._take(source, ssrc, now)
        elif source == self._signalled or source[0] == self._signalled[0] != self._latched[0]:
            if self._accepted < SETTLED or self._passed_probation(source, ssrc, sequence):
                self._accepted = 0
                return self._take(source, ssrc, now)
        elif self._may_have_moved(source, ssrc, now - self._t_last) and self._passed_probation(source, ssrc, sequence):
            return self._take(source, ssrc, now)
        self.refused += 1
        return False

    def _may_have_moved(self, source: Address, ssrc: int, silent_s: float) -> bool:
        """The SSRC is 32 random bits that only the peer, or somebody who hears the call anyway, can know."""
        if ssrc == self._ssrc:
            return silent_s >= MOVED_S
        return silent_s >= SILENT_S and self.is_peer_host(source[0])

    def _take(self, source: Address, ssrc: int, now: float) -> bool:
        if source != self._latched:
            self._candidate = None
        self._latched, self._ssrc, self._t_last = source, ssrc, now
        self._accepted += 1
        return True

    def _passed_probation(self, source: Address, ssrc: int, sequence: int) -> bool:
        candidate = self._candidate
        if (
            candidate is None
            or (candidate.address, candidate.ssrc) != (source, ssrc)
            or not 0 < (sequence - candidate.sequence) & 0xFFFF <= _SEQUENCE_SLACK
        ):
            self._candidate = _Candidate(source, ssrc, sequence)
            return False
        candidate.sequence = sequence
        candidate.count += 1
        return candidate.count >= PROBATION
