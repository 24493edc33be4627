"""Puts the caller's audio in order and on time: packets in, one 20 ms frame of 16 kHz out for each tick.

Pure: time is an argument, no thread, no lock (RFC 3550 gives the packet's fields; the rest is ours).

The control is the slack: how much audio beyond the frame is there when a frame is pulled. A pull that finds too
little stalls (the caller's audio is delayed by one frame, nothing is skipped), and a packet that came too late makes
the next quiet frame play twice, so the delay grows to what the network needs. When for three seconds the slack never
fell below a frame and a margin, quiet frames are dropped, and the delay shrinks. The same rule absorbs a peer whose
clock runs fast; one that runs slow gets a quiet frame played twice before it would stall in a word.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

from her_os.audio.concealment import Concealer
from her_os.audio.quiet import QuietDetector
from her_os.contracts.audio import CONVERSATION_RATE, FRAME_SAMPLES, InboundFrame

_MS = CONVERSATION_RATE // 1000
_WINDOW_TICKS = 150
_STARVING = 3 * _MS
_JUMP = CONVERSATION_RATE
"""A second: a timestamp further off than this begins the stream anew."""


@dataclass(slots=True)
class JitterCounters:
    """What happened to the caller's audio, in packets or frames since the start of the call."""

    late: int = 0
    """Packets that came after their place had been played, and were dropped."""
    duplicate: int = 0
    concealed: int = 0
    """Frames of which at least a part was made up."""
    dropped: int = 0
    """Quiet frames left out to shorten the delay."""
    inserted: int = 0
    """Quiet frames played twice: packets came late, or the peer's clock is slow."""
    overflowed: int = 0
    """Frames thrown away because the delay had reached its maximum."""
    resynchronised: int = 0


@dataclass(slots=True, order=True)
class _Segment:
    start: int
    pcm: bytes = field(compare=False)
    t_arrival: float = field(compare=False)

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // 2


class JitterBuffer:
    """One caller's jitter buffer.

    `clock_rate` is that of the RTP timestamps and divides 16,000 (8,000 for G.711 and, by RFC 3551, for G.722).
    The delay adapts between `margin_ms` and `max_depth_ms`, counted beyond the 20 ms of the frame itself.
    """

    def __init__(self, *, clock_rate: int = 8_000, margin_ms: int = 10, max_depth_ms: int = 200) -> None:
        if CONVERSATION_RATE % clock_rate:
            raise ValueError(f"a clock of {clock_rate} Hz does not divide {CONVERSATION_RATE} Hz")
        self.counters = JitterCounters()
        self._factor = CONVERSATION_RATE // clock_rate
        self._margin = margin_ms * _MS
        self._max_depth = max_depth_ms * _MS
        self._concealer = Concealer()
        self._quiet = QuietDetector()
        self._played = 0
        self._forget()

    @property
    def depth_ms(self) -> float:
        """Audio in the buffer now, holes included."""
        return self._level / _MS

    def reset(self) -> None:
        """Forget the stream (hold, new codec); the media clock goes on where it is."""
        self._forget()

    def put(self, ssrc: int, timestamp: int, pcm: bytes, now: float) -> int | None:
        """Take a packet's decoded 16 kHz audio, arrived at `now`, with its RTP timestamp.

        Returns the sample index at which it will play as things stand, or None when it will not: late, a duplicate, or
        the first packet after a jump (a second one must follow on it before the jump is believed, RFC 3550 A.1).
        """
        if not pcm:
            return None
        if self._ssrc is None:
            self._anchor(ssrc, timestamp, now)
        position = self._position(timestamp)
        if ssrc != self._ssrc or not -_JUMP <= position - self._newest <= self._stalled + _JUMP:
            if not self._believe_jump(ssrc, timestamp, pcm):
                return None
            self.counters.resynchronised += 1
            self._forget()
            self._anchor(ssrc, timestamp, now)
            position = self._position(timestamp)
        else:
            self._suspect = None
        return self._insert(_Segment(position, pcm, now))

    def pull(self, now: float) -> InboundFrame | None:
        """The next 20 ms; None until the call's first packet is due."""
        if not self._started:
            waited = self._ssrc is not None and (now - self._t_first) * CONVERSATION_RATE >= self._margin
            self._started = waited and self._level >= FRAME_SAMPLES
        slack = self._level - FRAME_SAMPLES
        if not self._started or slack < 0:
            return self._stall(now)
        frame = self._take(now)
        quiet = self._quiet.is_quiet(frame.pcm)
        self._slacks.append(slack)
        if quiet:
            frame = self._adapt(frame, now)
        self._played += FRAME_SAMPLES
        return frame

    # The stream's place in time

    def _forget(self) -> None:
        self._ssrc: int | None = None
        self._suspect: tuple[int, int] | None = None
        self._segments: list[_Segment] = []
        self._slacks: deque[int] = deque(maxlen=_WINDOW_TICKS)
        self._head = self._newest = 0
        self._stalled = 0
        self._behind = False
        self._started = False

    def _anchor(self, ssrc: int, timestamp: int, now: float) -> None:
        self._ssrc, self._origin, self._t_first = ssrc, timestamp, now

    def _position(self, timestamp: int) -> int:
        """Unwrap a 32-bit timestamp around the newest one, in 16 kHz samples since the anchor."""
        newest = self._origin + self._newest // self._factor
        ahead = (timestamp - newest + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
        return (newest + ahead - self._origin) * self._factor

    def _believe_jump(self, ssrc: int, timestamp: int, pcm: bytes) -> bool:
        follows = self._suspect == (ssrc, timestamp)
        after = (timestamp + len(pcm) // 2 // self._factor) & 0xFFFF_FFFF
        self._suspect = (ssrc, after)
        return follows

    @property
    def _level(self) -> int:
        return self._newest - self._head if self._segments else 0

    # In

    def _insert(self, segment: _Segment) -> int | None:
        if not self._segments and self._stalled:
            # Nothing came for a while: of what is missing, the frames made up meanwhile have taken the place.
            self._head += max(0, min(segment.start - self._head, self._stalled))
            self._stalled = 0
        if any(other.start < segment.end and segment.start < other.end for other in self._segments):
            self.counters.duplicate += 1
            return None
        if segment.end <= self._head:
            self.counters.late += 1
            self._behind = True
            self._slacks.clear()  # the delay is needed: it shrinks after a window without a late packet
            return None
        if segment.start < self._head:
            segment.pcm = segment.pcm[2 * (self._head - segment.start) :]
            segment.start = self._head
        insort(self._segments, segment)
        self._newest = max(self._newest, segment.end)
        while self._level > self._max_depth + FRAME_SAMPLES:
            self.counters.overflowed += 1
            self._advance()
        return self._played + max(0, segment.start - self._head)

    # Out

    def _take(self, now: float) -> InboundFrame:
        """The frame at the head, holes filled, as it would play now. Moves the head."""
        self._stalled = 0
        end = self._head + FRAME_SAMPLES
        pieces: list[bytes] = []
        at, t_arrival, concealed = self._head, now, False
        for segment in self._segments:
            if segment.start >= end:
                break
            if segment.start > at:
                pieces.append(self._concealer.fill(segment.start - at))
                concealed = True
            at = min(segment.end, end)
            pieces.append(self._concealer.heard(segment.pcm[: 2 * (at - segment.start)]))
            t_arrival = segment.t_arrival
        if at < end:
            pieces.append(self._concealer.fill(end - at))
            concealed = True
        self.counters.concealed += concealed
        self._advance()
        return InboundFrame(b"".join(pieces), t_arrival, self._played, concealed)

    def _advance(self) -> None:
        self._head += FRAME_SAMPLES
        while self._segments and self._segments[0].end <= self._head:
            self._segments.pop(0)
        if self._segments and self._segments[0].start < self._head:
            first = self._segments[0]
            first.pcm = first.pcm[2 * (self._head - first.start) :]
            first.start = self._head
        self._newest = max(self._newest, self._head)

    def _stall(self, now: float) -> InboundFrame | None:
        if not self._started and not self._played:
            return None
        if self._started:
            self._stalled += FRAME_SAMPLES
            self._slacks.clear()
        self.counters.concealed += 1
        frame = InboundFrame(self._concealer.fill(FRAME_SAMPLES), now, self._played, concealed=True)
        self._played += FRAME_SAMPLES
        return frame

    def _adapt(self, quiet_frame: InboundFrame, now: float) -> InboundFrame:
        """Shorten or lengthen the delay by one frame where nothing is said."""
        known = len(self._slacks) == _WINDOW_TICKS
        if known and min(self._slacks) >= FRAME_SAMPLES + self._margin:
            self.counters.dropped += 1
            self._shift_slacks(-FRAME_SAMPLES)
            return self._take(now)
        if (self._behind or (known and min(self._slacks) < _STARVING)) and self._level < self._max_depth:
            self.counters.inserted += 1
            self._behind = False
            self._shift_slacks(FRAME_SAMPLES)
            self._head -= FRAME_SAMPLES
            insort(self._segments, _Segment(self._head, quiet_frame.pcm, quiet_frame.t_arrival))
        return quiet_frame

    def _shift_slacks(self, by: int) -> None:
        self._slacks = deque((slack + by for slack in self._slacks), maxlen=_WINDOW_TICKS)
