"""A live call on loopback while a stranger, and the peer's own host, throw datagrams at every port of it."""

from __future__ import annotations

import asyncio
import gc
import socket
import tempfile
import threading
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer
from her_os.telephony.test_phone.phone import TestPhone
from telephony_fuzz.noise import Noise

_BURST = 20
_PAUSE_S = 0.004


@dataclass(frozen=True)
class LiveReport:
    """What the noise did to the call and to the process."""

    datagrams: int
    frames: int
    """Frames of 20 ms that the assistant's side heard of the caller meanwhile."""
    strange_frames: int
    """Frames whose sound was not the caller's."""
    digits: str
    ended: str
    calls: int
    open_transactions: int
    threads_grown: int
    descriptors_grown: int
    objects_grown: int
    rss_grown_mb: float

    @property
    def faults(self) -> list[str]:
        """What must not be, in words; empty when the call did not mind."""
        wrong = {
            "the call ended": self.ended,
            "digits that nobody pressed": self.digits,
            "sound that was not the caller's": self.strange_frames,
            "calls beside the live one": self.calls != 1,
            "transactions left": self.open_transactions,
            "threads": self.threads_grown > 0,
            "descriptors": self.descriptors_grown > 0,
            "no sound came through": self.frames == 0,
            "memory": self.rss_grown_mb > 8,
        }
        return [what for what, found in wrong.items() if found]


class _Ears:
    """The assistant's side: counts what it hears. The caller is silent, so any sound is a stranger's."""

    def __init__(self) -> None:
        self.frames = self.strange = 0
        self.heard = asyncio.Event()
        self.digits = self.ended = ""

    def on_arrival(self, frame: object) -> None:
        return

    def on_frame(self, frame: object) -> None:
        self.frames += 1
        self.heard.set()
        self.strange += bool(getattr(frame, "pcm", b"").strip(b"\0"))

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        return

    def on_dtmf(self, digit: str) -> None:
        self.digits += digit

    def on_hold(self, held: bool) -> None:
        return

    def on_ended(self, reason: str) -> None:
        self.ended = reason


async def attack_live_call(seed: int, datagrams: int, *, rtp_ports: tuple[int, int]) -> LiveReport:
    """Set up a call, throw `datagrams` at its SIP, RTP and RTCP ports from two hosts, and see what became of it."""
    ears, lines = _Ears(), list[SipLine]()

    async def on_call(line: SipLine) -> None:
        lines.append(line)
        await line.answer()
        line.start(ears)
        await line.wait_ended()

    async with AsyncExitStack() as stack:
        state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        phone_settings = Phone(
            sip_host="127.0.0.1", sip_port=0, rtp_port_min=rtp_ports[0], rtp_port_max=rtp_ports[1], codecs=("PCMU",)
        )
        trusted = ("127.0.0.1/32",)
        server = SipServer(phone_settings, AccountStore(state_dir, "her-os"), on_call, trusted_networks=trusted)
        await server.start()
        stack.push_async_callback(server.stop)
        phone = await stack.enter_async_context(TestPhone(codecs=("PCMU",)))
        await phone.dial(f"sip:her@127.0.0.1:{server.port}")
        async with asyncio.timeout(10):
            await ears.heard.wait()
        media = lines[0].media_port
        noise = Noise(seed)
        sockets = [stack.enter_context(_socket(host)) for host in ("127.0.0.2", "127.0.0.3")]
        await _throw(noise, sockets, server.port, media, min(2000, datagrams))
        before = _Footprint()
        heard = ears.frames
        await _throw(noise, sockets, server.port, media, datagrams)
        await asyncio.sleep(0.3)
        after = _Footprint()
        return LiveReport(
            datagrams=datagrams,
            frames=ears.frames - heard,
            strange_frames=ears.strange,
            digits=ears.digits,
            ended=ears.ended,
            calls=len(server.agent.calls),
            open_transactions=server.agent.signalling.transactions.open_transactions - 1,  # the call's own INVITE
            threads_grown=after.threads - before.threads,
            descriptors_grown=after.descriptors - before.descriptors,
            objects_grown=after.objects - before.objects,
            rss_grown_mb=(after.rss - before.rss) / 1e6,
        )


class _Footprint:
    def __init__(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.threads, self.descriptors = threading.active_count(), process.num_fds()
        self.objects, self.rss = len(gc.get_objects()), process.memory_info().rss


async def _throw(noise: Noise, sockets: list[socket.socket], sip: int, media: int, count: int) -> None:
    for number in range(count):
        sender = sockets[number % 2]
        port, data = ((sip, noise.sip), (media, noise.anything), (media + 1, noise.anything), (sip, noise.anything))[
            number // 2 % 4
        ]
        try:
            sender.sendto(data(), ("127.0.0.1", port))
        except BlockingIOError:
            await asyncio.sleep(_PAUSE_S)
        if number % _BURST == 0:
            await asyncio.sleep(_PAUSE_S)


def _socket(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((host, 0))
    opened.setblocking(False)
    return opened
