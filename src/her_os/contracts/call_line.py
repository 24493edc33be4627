"""The seam between a line (SIP, later AudioSocket, browser, room) and a conversation.

A line brings 16 kHz frames in, plays 16 kHz samples out, and tells what was really sent.
Media runs on threads of its own; each member says from which thread it is or may be called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from her_os.contracts.audio import InboundFrame


@dataclass(frozen=True, slots=True)
class CallerInfo:
    """Who is on the line. `uri` as the line gives it, `display_name` may be empty."""

    uri: str
    display_name: str = ""
    account: str = ""
    kind: str = "sip"


@dataclass(frozen=True, slots=True)
class LineStatistics:
    """Counters of one call's media, since its start. Times in milliseconds."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    round_trip_ms: float = 0.0
    jitter_ms: float = 0.0
    codec: str = ""
    extra: dict[str, float] = field(default_factory=dict[str, float])


class Playout(Protocol):
    """The assistant's voice on its way to the line. Every method is thread-safe and never blocks.

    Audio belongs to a chunk (one synthesis request) of a turn. `flush(turn)` discards all unsent audio
    and closes the door behind it: audio of that turn or an older one that arrives later is refused, so
    no sample of an old answer can follow a new turn. While paused or empty, the line sends silence.
    """

    sample_rate: int

    def write(self, turn: int, chunk: int, pcm: bytes) -> bool:
        """Append PCM of a chunk. False when the turn was flushed (stop synthesising)."""
        ...

    def finish(self, turn: int, chunk: int) -> None:
        """No more PCM will come for this chunk."""
        ...

    def pause(self) -> None:
        """Send silence from the next packet on; keep everything. Idempotent."""
        ...

    def resume(self) -> None:
        """Go on from the very sample where `pause` stopped. Idempotent."""
        ...

    def flush(self, turn: int) -> int:
        """Discard all unsent audio, refuse turns <= `turn`, unpause. Returns the samples discarded."""
        ...

    def sent_samples(self, turn: int, chunk: int) -> int:
        """How many of the chunk's samples have been handed to the network."""
        ...

    def last_sent_at(self) -> float:
        """`time.monotonic()` when the last non-silent packet was sent; 0.0 before the first."""
        ...

    @property
    def paused(self) -> bool: ...

    @property
    def buffered_samples(self) -> int:
        """Samples written and not yet sent."""
        ...


class LineListener(Protocol):
    """What a conversation hears from its line."""

    def on_arrival(self, frame: InboundFrame) -> None:
        """A frame as it arrived, before the jitter buffer. MEDIA THREAD: under 1 ms, no asyncio calls."""
        ...

    def on_frame(self, frame: InboundFrame) -> None:
        """A frame in order and on time, out of the jitter buffer. Event loop; must not block."""
        ...

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        """The last sample of a finished chunk has been sent. Event loop."""
        ...

    def on_dtmf(self, digit: str) -> None:
        """One of 0-9*#A-D was pressed. Event loop."""
        ...

    def on_hold(self, held: bool) -> None:
        """The caller put the call on hold or took it back. Event loop."""
        ...

    def on_ended(self, reason: str) -> None:
        """The call is over; the last callback of a line. Event loop."""
        ...


class FrameTap(Protocol):
    """Records a call: both sides as they were at one instant of the line's clock."""

    def on_tick(self, caller_pcm: bytes, assistant_pcm: bytes) -> None:
        """20 ms of each side at 16 kHz, 640 bytes each. MEDIA THREAD: append only, never block."""
        ...


class CallLine(Protocol):
    """One answered call."""

    call_id: str
    caller: CallerInfo
    playout: Playout

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """Begin to deliver media and events to `listener`. Called once, from the event loop."""
        ...

    async def send_dtmf(self, digits: str) -> None:
        """Send digits to the far end. Returns when the last has been sent."""
        ...

    async def hang_up(self, reason: str = "") -> None:
        """End the call from our side. Idempotent."""
        ...

    def statistics(self) -> LineStatistics: ...
