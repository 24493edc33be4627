"""BYE from our side and before the answer: whoever hangs up waits for the ACK, and not for ever."""

from __future__ import annotations

import asyncio

from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.timers import Timers
from tests.telephony.sip.agents import Desk, user_agent
from tests.telephony.sip.raw_peer import RawPeer, raw_peer
from tests.telephony.sip.ringing import ring, talk


async def test_bye_of_ours_waits_for_the_ack(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    ending = asyncio.create_task(desk.calls[0].bye("bored"))
    await peer.response(200)
    await asyncio.sleep(0.1)
    assert all(isinstance(message, SipResponse) for message in peer.seen)
    assert desk.media[0].ended == ["bored"]
    peer.send(peer.request("ACK"))
    async with asyncio.timeout(5):
        while not isinstance(bye := await peer.next(), SipRequest):
            pass
    assert bye.method == "BYE"
    assert bye.to.tag == peer.tag
    assert bye.headers.get("Reason") == 'SIP;cause=200;text="bored"'
    peer.reply(bye, 200)
    await ending
    await desk.calls[0].bye("again")


async def test_bye_without_answer_gives_up(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    await desk.calls[0].bye()
    assert sum(isinstance(message, SipRequest) for message in peer.seen) >= 4


async def test_whoever_hangs_up_does_not_wait_long_for_a_dead_peer(desk: Desk) -> None:
    async with user_agent(desk, Timers()) as agent, raw_peer(agent.port) as peer:
        await talk(peer, desk)
        async with asyncio.timeout(1):
            await desk.calls[0].bye("bored", patience_s=0.1)
        assert agent.calls == []
        bye = await peer.received("BYE")
        again = await peer.received("BYE")
        assert again.top_via.branch == bye.top_via.branch


async def test_an_impatient_bye_still_follows_a_late_ack(desk: Desk) -> None:
    async with user_agent(desk, Timers()) as agent, raw_peer(agent.port) as peer:
        await ring(peer, desk)
        desk.answer(desk.calls[0])
        await peer.response(200)
        await desk.calls[0].bye("bored", patience_s=0.05)
        assert not any(isinstance(message, SipRequest) for message in peer.seen)
        peer.send(peer.request("ACK"))
        peer.reply(await peer.received("BYE"), 200)
        assert agent.calls == []
        assert desk.media[0].ended == ["bored"]


async def test_bye_before_the_answer(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    peer.send(peer.request("BYE", cseq=2))
    statuses = {(await peer.next()).status for _ in range(2)}  # type: ignore[union-attr]
    assert statuses == {200, 487}
    assert desk.media[0].ended
