"""A listener that keeps what it is told, a socket that plays a peer, and two sessions that talk to each other."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from her_os.telephony.rtp.packet import RtpPacket, build_rtp, parse_rtp
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.rtp.wire import WireObserver
from tests.fakes.listener import Listener

POOL = PortPool(41_000, 41_999)
PAYLOAD_TYPES = {"G722": 9, "PCMU": 0, "PCMA": 8}


class Tap:
    """A `FrameTap`."""

    def __init__(self) -> None:
        self.ticks: list[tuple[bytes, bytes]] = []

    def on_tick(self, caller_pcm: bytes, assistant_pcm: bytes) -> None:
        self.ticks.append((caller_pcm, assistant_pcm))


class Peer:
    """A plain socket on loopback that speaks RTP by hand."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.sequence, self.timestamp, self.ssrc = 65_530, 0xFFFF_FF00, 0xABCD

    @property
    def address(self) -> tuple[str, int]:
        return self._socket.getsockname()

    def send(self, port: int, payload: bytes, payload_type: int = 9, *, marker: bool = False) -> None:
        """One packet; sequence and timestamp go on by themselves."""
        packet = RtpPacket(payload_type, self.sequence, self.timestamp, self.ssrc, payload, marker)
        self.send_raw(port, build_rtp(packet))
        self.sequence += 1
        self.timestamp += len(payload)

    def send_event(self, port: int, event: int, duration: int, *, end: bool, marker: bool = False) -> None:
        """One RFC 4733 packet of payload type 101; the timestamp stands."""
        payload = struct.pack("!BBH", event, 0x80 * end | 10, duration)
        packet = RtpPacket(101, self.sequence, self.timestamp, self.ssrc, payload, marker)
        self.send_raw(port, build_rtp(packet))
        self.sequence += 1

    def send_raw(self, port: int, datagram: bytes) -> None:
        self._socket.sendto(datagram, ("127.0.0.1", port))

    def received(self) -> list[RtpPacket]:
        """The packets that lie in the socket."""
        packets: list[RtpPacket] = []
        while True:
            try:
                packets.append(parse_rtp(self._socket.recv(4_096)))
            except BlockingIOError:
                return packets

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def answered_by(
    peer: Peer, codec: str = "G722", *, tap: Tap | None = None, observer: WireObserver | None = None
) -> AsyncIterator[tuple[RtpSession, Listener]]:
    """A session whose far end is a Peer."""
    session, listener = RtpSession("127.0.0.1", POOL, call_id="test", observer=observer), Listener()
    session.configure(peer.address, codec, PAYLOAD_TYPES[codec], 101, send=True, receive=True)
    session.start(listener, tap)
    try:
        yield session, listener
    finally:
        session.stop()


@asynccontextmanager
async def talking(codec: str = "G722") -> AsyncIterator[tuple[RtpSession, Listener, RtpSession, Listener]]:
    """Two sessions that are each other's far end."""
    left, right = (RtpSession("127.0.0.1", POOL, call_id=name) for name in ("left", "right"))
    hears_left, hears_right = Listener(), Listener()
    for session, other in ((left, right), (right, left)):
        remote = ("127.0.0.1", other.local_port)
        session.configure(remote, codec, PAYLOAD_TYPES[codec], 101, send=True, receive=True)
    left.start(hears_right)
    right.start(hears_left)
    try:
        yield left, hears_right, right, hears_left
    finally:
        left.stop()
        right.stop()
