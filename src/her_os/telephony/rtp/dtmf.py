"""Digits as telephone events (RFC 4733), in and out. Pure: no clock, no socket."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.packet import RtpPacket

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2)."""

_EVENT = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10
"""-10 dBm0."""

_LONGEST = 0xFFFF
_REMEMBERED = 8


class DtmfReceiver:
    """Turns event packets into digits: one per event, told by its first packet, so a lost end is no loss."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._last: tuple[int, int, int] | None = None

    def receive(self, packet: RtpPacket) -> str | None:
        """The digit that begins with this packet; None for a repetition or anything that is no digit.

        Events are told apart by (SSRC, timestamp). A key held for more than 8 s comes as segments, each
        beginning where the one before ended (section 2.5.1.3): still one digit.
        """
        if len(packet.payload) < _EVENT.size:
            return None
        event, _, duration = _EVENT.unpack_from(packet.payload)
        key = (packet.ssrc, packet.timestamp)
        if event >= len(DIGITS):
            return None
        goes_on = self._last == (packet.ssrc, event, packet.timestamp) and not packet.marker
        end_of_segment = (packet.timestamp + duration) & 0xFFFF_FFFF
        self._last = (packet.ssrc, event, end_of_segment) if duration == _LONGEST else self._last
        if key in self._seen:
            return None
        self._seen.append(key)
        return None if goes_on else DIGITS[event]


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What to send in place of an audio packet. `timestamp` is the event's beginning."""

    payload: bytes
    timestamp: int
    marker: bool


class DtmfSender:
    """Plays queued digits, one packet a tick: the tone with growing duration, its end three times, a gap.

    Times in timestamp units of `tick` each (160 for 20 ms at 8 kHz). Not thread-safe: the sender owns it.
    """

    def __init__(self, *, tick: int = 160, tone_ticks: int = 6, gap_ticks: int = 3) -> None:
        self._tick, self._tone_ticks, self._gap_ticks = tick, tone_ticks, gap_ticks
        self._queue: deque[int] = deque()
        self._event: int | None = None
        self._step = 0
        self._began = 0

    def queue(self, digits: str) -> None:
        """Append digits. Raises ProtocolError for a character that is none, and queues nothing then."""
        self._queue.extend(event_codes(digits))

    @property
    def idle(self) -> bool:
        """Whether every digit and the gap after it has been sent."""
        return self._event is None and not self._queue

    def next_packet(self, timestamp: int) -> EventPacket | None:
        """What to send at this tick of the stream's clock; None: audio."""
        if self._event is None:
            if not self._queue:
                return None
            self._event, self._step, self._began = self._queue.popleft(), 0, timestamp
        self._step += 1
        last = self._tone_ticks + 2
        if self._step > last:
            if self._step >= last + self._gap_ticks:
                self._event = None
            return None
        duration = self._tick * min(self._step, self._tone_ticks)
        flags = (_END if self._step >= self._tone_ticks else 0) | _VOLUME
        return EventPacket(_EVENT.pack(self._event, flags, duration), self._began, marker=self._step == 1)


def event_codes(digits: str) -> list[int]:
    """Event codes of a string of digits. Raises ProtocolError naming the first that is none."""
    for digit in digits:
        if digit.upper() not in DIGITS:
            raise ProtocolError(f"{digit!r} is no DTMF digit; there are {DIGITS}")
    return [DIGITS.index(digit.upper()) for digit in digits]
