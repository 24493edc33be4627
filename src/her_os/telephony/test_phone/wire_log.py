"""Every packet of a call, both directions, with its time on the wire and its level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from her_os.telephony.rtp.wire import WirePacket
from her_os.telephony.test_phone.audible import AUDIBLE_DBFS, packet_level_dbfs


@dataclass(frozen=True, slots=True)
class LoggedPacket:
    """One packet; the fields are those of `WirePacket`. `level_dbfs` is its `packet_level_dbfs`."""

    at: float
    sequence: int
    timestamp: int
    payload_type: int
    pcm: bytes
    level_dbfs: float
    turn: int | None = None

    @property
    def audible(self) -> bool:
        return self.level_dbfs > AUDIBLE_DBFS


class WireLog:
    """A `WireObserver` that keeps everything; the lists only grow. `on_news` is called on the media thread."""

    def __init__(self, on_news: Callable[[], None] | None = None) -> None:
        self.sent: list[LoggedPacket] = []
        self.received: list[LoggedPacket] = []
        self._on_news = on_news

    def on_sent(self, packet: WirePacket) -> None:
        self.sent.append(_logged(packet))

    def on_received(self, packet: WirePacket) -> None:
        self.received.append(_logged(packet))
        if self._on_news is not None:
            self._on_news()


def _logged(packet: WirePacket) -> LoggedPacket:
    level = packet_level_dbfs(packet.pcm)
    return LoggedPacket(
        packet.at, packet.sequence, packet.timestamp, packet.payload_type, packet.pcm, level, packet.turn
    )
