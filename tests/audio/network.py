"""A simulated network in front of a jitter buffer: packets with send times and delays, pulled every 20 ms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from her_os.audio.jitter_buffer import JitterBuffer
from her_os.contracts.audio import FRAME_SAMPLES, InboundFrame

TICK_S = 0.02


@dataclass(frozen=True)
class Arrival:
    """One packet as it comes in; `timestamp` in ticks of 8 kHz."""

    at: float
    timestamp: int
    pcm: bytes
    ssrc: int = 1


def stream(
    pcm: bytes,
    *,
    ptime_ms: int = 20,
    first_timestamp: int = 0,
    delay: Callable[[int], float | None] = lambda index: 0.0,
    speed: float = 1.0,
    start: float = 0.0,
    ssrc: int = 1,
) -> list[Arrival]:
    """Cut PCM into packets; `delay` of the index in seconds, None for a lost one. `speed` is the peer's clock."""
    size = 32 * ptime_ms
    arrivals: list[Arrival] = []
    for index in range(len(pcm) // size):
        late = delay(index)
        if late is not None:
            at = start + index * ptime_ms / 1000 / speed + late
            timestamp = (first_timestamp + index * 8 * ptime_ms) & 0xFFFF_FFFF
            arrivals.append(Arrival(at, timestamp, pcm[index * size : (index + 1) * size], ssrc))
    return sorted(arrivals, key=lambda arrival: round(arrival.at, 6))


def play(
    buffer: JitterBuffer, arrivals: Sequence[Arrival], *, until: float | None = None, phase: float = 0.005
) -> list[InboundFrame]:
    """Run the network and the 20 ms clock; checks what always holds of the frames."""
    end = (arrivals[-1].at if arrivals else 0.0) + 0.1 if until is None else until
    frames: list[InboundFrame] = []
    pending, now = list(arrivals), phase
    while now < end:
        while pending and pending[0].at <= now:
            packet = pending.pop(0)
            buffer.put(packet.ssrc, packet.timestamp, packet.pcm, packet.at)
        frame = buffer.pull(now)
        if frame is not None:
            assert len(frame.pcm) == 2 * FRAME_SAMPLES
            assert frame.sample_index == FRAME_SAMPLES * len(frames)
            frames.append(frame)
        now += TICK_S
    return frames


def audio_of(frames: Sequence[InboundFrame]) -> bytes:
    """What was played."""
    return b"".join(frame.pcm for frame in frames)
