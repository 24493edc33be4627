"""Answering an INVITE on a real socket: repetitions, the ACK, offers and answers, as a peer sees them on the wire."""

from __future__ import annotations

import asyncio

from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import FAST, Desk
from tests.telephony.sip.raw_peer import OFFER, RawPeer, raw_peer
from tests.telephony.sip.ringing import ring, talk
from tests.waiting import until


async def test_a_whole_call(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    answer = await peer.response(200)
    assert answer.content_type == "application/sdp"
    assert b"m=audio 45000 RTP/AVP 9 101" in answer.body
    assert answer.contact is not None
    assert answer.headers.get("From") == f'"Raw; Peer" <sip:raw@127.0.0.1>;tag={peer.tag}'
    peer.send(peer.request("ACK"))
    peer.send(peer.request("BYE", cseq=2))
    await peer.response(200)
    assert desk.media[0].ended == ["the far end hung up"]


async def test_a_repeated_invite_gets_the_cached_answer_and_makes_no_second_call(peer: RawPeer, desk: Desk) -> None:
    invite = peer.request("INVITE", branch="z9hG4bKsame", body=OFFER)
    peer.send(invite)
    first = [await peer.response(100), await peer.response(180)]
    peer.send(invite)
    again = await peer.response(180)
    assert again.to.tag == first[1].to.tag
    assert len(desk.calls) == 1


async def test_the_answer_is_repeated_until_acknowledged(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    tags = {(await peer.response(200)).to.tag for _ in range(4)}
    assert len(tags) == 1
    peer.send(peer.request("ACK"))
    await until(lambda: desk.calls[0].state is CallState.CONFIRMED)
    while not peer.inbox.empty():
        peer.inbox.get_nowait()
    await peer.quiet(0.3)


async def test_without_ack_the_call_is_ended_with_bye(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    async with asyncio.timeout(5):
        while not isinstance(message := await peer.next(), SipRequest):
            assert message.status == 200
    assert message.method == "BYE"
    peer.reply(message, 200)
    assert desk.media[0].ended == ["the far end never acknowledged our answer"]


async def test_an_invite_without_offer_is_answered_with_ours(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk, body="")
    desk.answer(desk.calls[0])
    offer = await peer.response(200)
    assert b"m=audio 45000 RTP/AVP 9 0 8 101" in offer.body
    peer.send(peer.request("ACK", body=OFFER))
    await until(lambda: desk.media[0].sessions)
    assert desk.media[0].sessions[0].codec == "PCMU"


async def test_an_unusable_late_answer_ends_the_call(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk, body="")
    desk.answer(desk.calls[0])
    await peer.response(200)
    peer.send(peer.request("ACK", body="v=0\r\n"))
    peer.reply(await peer.received("BYE"), 200)
    assert "cannot be used" in desk.media[0].ended[0]


async def test_the_same_call_by_two_ways(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    peer.to_tag = ""
    peer.send(peer.request("INVITE", branch="z9hG4bKother", body=OFFER))
    await peer.response(482)
    assert len(desk.calls) == 1


async def test_an_old_style_branch_still_makes_one_transaction(peer: RawPeer, desk: Desk) -> None:
    invite = peer.request("INVITE", branch="1", body=OFFER)
    peer.send(invite)
    await peer.response(100)
    await peer.response(180)
    peer.send(invite)
    await peer.response(180)
    desk.calls[0].reject(Refusal(486))
    await peer.response(486)
    peer.send(peer.request("ACK", branch="1"))
    await asyncio.sleep(0.05)
    while not peer.inbox.empty():
        peer.inbox.get_nowait()
    await peer.quiet(0.2)


async def test_routes_are_followed(peer: RawPeer, desk: Desk, agent: UserAgent) -> None:
    async with raw_peer(agent.port) as proxy:
        route = f"Record-Route: <sip:127.0.0.1:{proxy.port};lr>\r\n"
        peer.send(peer.request("INVITE", body=OFFER, extra=route))
        await peer.response(100)
        assert (await peer.response(180)).headers.get("Record-Route") == f"<sip:127.0.0.1:{proxy.port};lr>"
        desk.answer(desk.calls[0])
        await peer.response(200)
        peer.send(peer.request("ACK"))
        await until(lambda: desk.calls[0].state is CallState.CONFIRMED)
        ending = asyncio.create_task(desk.calls[0].bye())
        bye = await proxy.received("BYE")
        assert bye.uri == f"sip:raw@127.0.0.1:{peer.port}"
        assert bye.headers.lines("Route") == [f"<sip:127.0.0.1:{proxy.port};lr>"]
        proxy.reply(bye, 200)
        await ending


async def test_transactions_are_forgotten(peer: RawPeer, desk: Desk, agent: UserAgent) -> None:
    await talk(peer, desk)
    peer.send(peer.request("BYE", cseq=2))
    await peer.response(200)
    await asyncio.sleep(FAST.timeout + 0.2)
    layer = agent.signalling.transactions
    assert layer.open_transactions == 0
    assert agent.calls == []
