"""The timers of RFC 3261 (section 17 and table 4) and RFC 4028, in seconds. Tests shrink T1 and everything follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """T1 round trip estimate, T2 longest retransmission interval, T4 longest life of a message in the network."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    session_s: int = 1800
    """The interval of session timers that we ask for (RFC 4028); 0 asks for none."""
    min_session_s: int = 90
    """The shortest that we grant."""

    @property
    def timeout(self) -> float:
        """Timers B, D, F, H, J, L and M: how long a transaction waits or lingers."""
        return 64 * self.t1

    def next_interval(self, interval: float) -> float:
        """The retransmission interval after `interval` for timers E, G and repeated 2xx answers."""
        return min(2 * interval, self.t2)
