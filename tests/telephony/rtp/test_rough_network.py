"""Two sessions with a bad network between them, on real sockets: lossy, late, out of order, doubled, and then moved."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from her_os.telephony.rtp.session import RtpSession
from tests.fakes.listener import Listener
from tests.telephony.rtp.listening import POOL
from tests.telephony.signals import babble, best_match
from tests.waiting import until

SPEECH = babble(1.0, seed=21)


class Network(asyncio.DatagramProtocol):
    """Carries datagrams from a session to `target`; `sender` is the socket they come from there."""

    def __init__(self, target: tuple[str, int], seed: int) -> None:
        self.target, self._random = target, random.Random(seed)
        self.sender: asyncio.DatagramTransport | None = None
        self.carried = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        pick = self._random
        if pick.random() < 0.2:
            return
        for _ in range(2 if pick.random() < 0.05 else 1):
            asyncio.get_running_loop().call_later(pick.uniform(0, 0.2), self._carry, data)

    def _carry(self, data: bytes) -> None:
        if self.sender is not None and not self.sender.is_closing():
            self.sender.sendto(data, self.target)
            self.carried += 1


async def _endpoint(protocol: asyncio.DatagramProtocol) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=("127.0.0.1", 0))
    return transport


def _port(transport: asyncio.DatagramTransport) -> tuple[str, int]:
    return "127.0.0.1", transport.get_extra_info("sockname")[1]


@asynccontextmanager
async def badly_connected() -> AsyncIterator[tuple[RtpSession, Listener, Network]]:
    """A caller (its session is given) and our side (its ears), and the network from the one to the other."""
    caller, ours = (RtpSession("127.0.0.1", POOL, call_id=name) for name in ("caller", "ours"))
    ears = Listener()
    network = Network(("127.0.0.1", ours.local_port), seed=3)
    entry, exit_ = await _endpoint(network), await _endpoint(asyncio.DatagramProtocol())
    network.sender = exit_
    caller.configure(_port(entry), "PCMU", 0, None, send=True, receive=True)
    ours.configure(_port(exit_), "PCMU", 0, None, send=True, receive=True)
    ours.start(ears)
    caller.start(Listener())
    try:
        yield caller, ears, network
    finally:
        caller.stop()
        ours.stop()
        entry.close()
        network.sender.close()
        exit_.close()


async def test_the_conversation_goes_on() -> None:
    async with badly_connected() as (caller, ears, network):
        await until(lambda: len(ears.frames) > 100, "a pause, in which the delay grows to what the network needs")
        await _say(caller, ears, turn=1)
        old, network.sender = network.sender, await _endpoint(asyncio.DatagramProtocol())
        assert old is not None
        old.close()  # a NAT that rebound: the same stream from another port
        refused_until = len(ears.arrived)
        await until(lambda: len(ears.arrived) > refused_until + 20, "the moved caller is heard again")
        await _say(caller, ears, turn=2)
        late = [frame.sample_index for frame in ears.frames]
        assert late == [320 * number for number in range(len(late))], "the line's clock has no gap"


async def _say(caller: RtpSession, ears: Listener, turn: int) -> None:
    """Say it, and check that most of it is heard, within a second of its end."""
    before = len(ears.pcm)
    caller.playout.write(turn, 0, SPEECH)
    caller.playout.finish(turn, 0)
    await until(lambda: len(ears.pcm) > before + 32_000 + 20_000)
    match, _ = best_match(bytes(ears.pcm[before:]), SPEECH)
    assert match > 0.4, match
