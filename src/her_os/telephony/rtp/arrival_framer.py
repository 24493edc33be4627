"""Cuts packets of any length into 20 ms frames as they arrive, before the jitter buffer. Pure."""

from __future__ import annotations

from her_os.contracts.audio import FRAME_BYTES, InboundFrame


class ArrivalFramer:
    """For the detector that cannot wait; a packet of 20 ms passes as it is."""

    def __init__(self) -> None:
        self._rest = b""
        self._rest_index = 0
        self._next_timestamp: int | None = None

    def push(self, timestamp: int, ticks: int, pcm: bytes, index: int, t_arrival: float) -> list[InboundFrame]:
        """Frames completed by a packet of `ticks` RTP clock ticks that will play at sample `index`.

        What is left of a packet waits for the one that follows on it, and is dropped if another comes.
        """
        if timestamp != self._next_timestamp or not self._rest:
            self._rest, self._rest_index = b"", index
        self._next_timestamp = (timestamp + ticks) & 0xFFFF_FFFF
        data, at = self._rest + pcm, self._rest_index
        frames: list[InboundFrame] = []
        whole = len(data) - len(data) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            frames.append(InboundFrame(data[start : start + FRAME_BYTES], t_arrival, at + start // 2))
        self._rest, self._rest_index = data[whole:], at + whole // 2
        return frames
