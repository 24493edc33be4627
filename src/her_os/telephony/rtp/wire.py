"""Packets as they pass the socket, for those who measure the wire (the test phone, benchmarks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WirePacket:
    """One RTP packet with its audio at 16 kHz (empty for an event).

    `at` is on the clock of `time.monotonic()`: for a sent packet just before it was handed to the socket, for a
    received one when the kernel took it in, whatever the threads of this process were doing.
    """

    at: float
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    pcm: bytes
    turn: int | None = None
    """Of a sent packet: the playout's turn whose audio it ends with; None for silence."""


class WireObserver(Protocol):
    """Called on the media threads: append and return."""

    def on_sent(self, packet: WirePacket) -> None: ...

    def on_received(self, packet: WirePacket) -> None:
        """A packet of the peer, in order of arrival, before the jitter buffer."""
        ...
