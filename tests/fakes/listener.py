"""A LineListener that keeps what it is told."""

from __future__ import annotations

from her_os.contracts.audio import InboundFrame


class Listener:
    """`pcm` is every frame's audio, as it came."""

    def __init__(self) -> None:
        self.arrived: list[InboundFrame] = []
        self.frames: list[InboundFrame] = []
        self.pcm = bytearray()
        self.played: list[tuple[int, int]] = []
        self.digits = ""
        self.holds: list[bool] = []
        self.ended: list[str] = []

    def on_arrival(self, frame: InboundFrame) -> None:
        self.arrived.append(frame)

    def on_frame(self, frame: InboundFrame) -> None:
        self.frames.append(frame)
        self.pcm += frame.pcm

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        self.played.append((turn, chunk))

    def on_dtmf(self, digit: str) -> None:
        self.digits += digit

    def on_hold(self, held: bool) -> None:
        self.holds.append(held)

    def on_ended(self, reason: str) -> None:
        self.ended.append(reason)

    def heard(self) -> bytes:
        """What came; frames made up while the test machine stalled are left out."""
        return b"".join(frame.pcm for frame in self.frames if not frame.concealed)
