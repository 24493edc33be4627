"""The callee's side on a real socket: every repetition, refusal and race, as a peer sees them on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from her_os.contracts.errors import CallEnded
from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import FAST, Desk, user_agent
from tests.telephony.sip.raw_peer import OFFER, RawPeer, raw_peer


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest_asyncio.fixture
async def agent(desk: Desk) -> AsyncIterator[UserAgent]:
    async with user_agent(desk) as agent:
        yield agent


@pytest_asyncio.fixture
async def peer(agent: UserAgent) -> AsyncIterator[RawPeer]:
    async with raw_peer(agent.port) as peer:
        yield peer


async def ring(peer: RawPeer, desk: Desk, branch: str = "z9hG4bKfirst", body: str = OFFER) -> None:
    peer.send(peer.request("INVITE", branch=branch, body=body))
    await peer.response(100)
    await peer.response(180)


async def talk(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    await peer.response(200)
    peer.send(peer.request("ACK"))
    await until(lambda: desk.calls[0].state is CallState.CONFIRMED)


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


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


async def test_a_refusal_is_repeated_until_acknowledged(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    desk.calls[0].reject(Refusal(486, "two calls are up"))
    for _ in range(3):
        busy = await peer.response(486)
    assert busy.headers.get("Reason") == 'SIP;cause=486;text="two calls are up"'
    peer.send(peer.request("ACK", branch="z9hG4bKfirst"))
    await asyncio.sleep(0.05)
    while not peer.inbox.empty():
        peer.inbox.get_nowait()
    await peer.quiet(0.3)
    assert desk.media[0].ended == ["two calls are up"]


async def test_cancel_while_ringing(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    tag = peer.to_tag
    peer.to_tag = ""
    cancel = peer.request("CANCEL", branch="z9hG4bKfirst")
    peer.send(cancel)
    statuses = {(await peer.next()).status for _ in range(2)}  # type: ignore[union-attr]
    assert statuses == {200, 487}
    peer.to_tag = tag
    peer.send(peer.request("ACK", branch="z9hG4bKfirst"))
    assert desk.media[0].ended == ["the caller cancelled"]
    with pytest.raises(CallEnded):
        desk.answer(desk.calls[0])
    peer.send(cancel)
    await until(lambda: any(m.cseq[1] == "CANCEL" for m in list(peer.seen)[-1:]))


async def test_cancel_after_the_answer_changes_nothing(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    peer.send(peer.request("CANCEL", branch="z9hG4bKfirst"))
    await peer.response(200)
    assert desk.calls[0].state is CallState.CONFIRMED


async def test_cancel_of_nothing(peer: RawPeer) -> None:
    peer.send(peer.request("CANCEL"))
    await peer.response(481)


async def test_hold_and_resume(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    for cseq, direction, answered in ((2, "sendonly", b"a=recvonly"), (3, "sendrecv", b"a=sendrecv")):
        peer.send(peer.request("INVITE", cseq=cseq, body=OFFER + f"a={direction}\r\n"))
        response = await peer.response(200)
        assert answered in response.body
        peer.send(peer.request("ACK", cseq=cseq))
    assert [session.held for session in desk.media[0].sessions] == [False, True, False]


async def test_a_reinvite_that_cannot_be_met_leaves_the_call_as_it_was(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    peer.send(peer.request("INVITE", cseq=2, body=OFFER.replace("0 8 9 101", "18")))
    response = await peer.response(488)
    assert "Warning" in response.headers
    peer.send(peer.request("INVITE", cseq=3, body="x", extra="Content-Type: text/plain\r\n"))
    await peer.response(415)
    assert desk.calls[0].state is CallState.CONFIRMED
    assert len(desk.media[0].sessions) == 1


async def test_a_second_reinvite_before_the_ack_of_the_first(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    peer.send(peer.request("INVITE", cseq=2, body=OFFER))
    await peer.response(200)
    peer.send(peer.request("INVITE", cseq=3, body=OFFER))
    response = await peer.response(500)
    assert "Retry-After" in response.headers
    peer.send(peer.request("ACK", cseq=2))


async def test_glare_of_two_reinvites(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    ours = asyncio.create_task(desk.calls[0].reinvite())
    invite = await peer.received("INVITE")
    peer.send(peer.request("INVITE", cseq=2, body=OFFER))
    await peer.response(491)
    peer.reply(invite, 200, extra="Content-Type: application/sdp\r\n", body=OFFER)
    await peer.received("ACK")
    await ours


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


async def test_info(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    relay = "Content-Type: application/dtmf-relay\r\n"
    peer.send(peer.request("INFO", cseq=2, body="Signal=5\r\nDuration=160\r\n", extra=relay))
    await peer.response(200)
    peer.send(peer.request("INFO", cseq=3, body="<x/>", extra="Content-Type: application/xml\r\n"))
    await peer.response(415)
    peer.send(peer.request("INFO", cseq=4))
    await peer.response(200)
    assert desk.media[0].infos[0] == ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")


async def test_old_sequence_numbers_are_refused(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    peer.send(peer.request("INFO", cseq=1))
    await peer.response(500)


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE"])
async def test_requests_for_a_dialog_that_is_not_there(peer: RawPeer, method: str) -> None:
    peer.to_tag = "gone"
    peer.send(peer.request(method))
    await peer.response(481)


async def test_another_from_tag_is_another_dialog(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    peer.tag = "mallory"
    peer.send(peer.request("BYE", cseq=9))
    await peer.response(481)
    assert desk.calls[0].state is CallState.CONFIRMED


async def test_options(peer: RawPeer, desk: Desk) -> None:
    peer.send(peer.request("OPTIONS"))
    response = await peer.response(200)
    assert "INVITE" in response.headers.get("Allow")
    assert "application/sdp" in response.headers.get("Accept")
    assert not desk.calls


@pytest.mark.parametrize(("method", "status"), [("SUBSCRIBE", 405), ("REFER", 405), ("FROBNICATE", 501)])
async def test_methods_we_do_not_serve(peer: RawPeer, method: str, status: int) -> None:
    peer.send(peer.request(method))
    response = await peer.response(status)
    assert "INVITE" in response.headers.get("Allow")


async def test_extensions_we_do_not_have(peer: RawPeer, desk: Desk) -> None:
    peer.send(peer.request("INVITE", body=OFFER, extra="Require: 100rel, timer\r\n"))
    response = await peer.response(420)
    assert response.headers.get("Unsupported") == "100rel, timer"
    assert not desk.calls


async def test_bodies_we_do_not_read(peer: RawPeer, desk: Desk) -> None:
    peer.send(peer.request("INVITE", body="hello", extra="Content-Type: text/plain\r\n"))
    response = await peer.response(415)
    assert response.headers.get("Accept") == "application/sdp"


async def test_the_same_call_by_two_ways(peer: RawPeer, desk: Desk) -> None:
    await ring(peer, desk)
    peer.to_tag = ""
    peer.send(peer.request("INVITE", branch="z9hG4bKother", body=OFFER))
    await peer.response(482)
    assert len(desk.calls) == 1


async def test_refusals_are_stateless_and_repeat_with_the_same_tag(peer: RawPeer, desk: Desk) -> None:
    desk.refusal = Refusal(403, "no")
    invite = peer.request("INVITE", body=OFFER)
    tags: set[str] = set()
    for _ in range(2):
        peer.send(invite)
        tags.add((await peer.response(403)).to.tag)
    assert len(tags) == 1
    await peer.quiet(0.1)


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


async def test_a_probe_finds_a_dead_peer(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    probing = asyncio.create_task(desk.calls[0].probe())
    peer.reply(await peer.received("OPTIONS"), 200)
    assert await probing
    probing = asyncio.create_task(desk.calls[0].probe())
    while (request := await peer.received("OPTIONS")).cseq[0] < 2:
        pass
    peer.reply(request, 481)
    assert not await probing
    assert desk.media[0].ended == ["the far end has forgotten the call"]


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


async def test_noise_is_ignored(peer: RawPeer) -> None:
    for noise in (b"", b"\r\n\r\n", b"\0" * 20, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 2000):
        peer.send(noise)
    peer.send(peer.request("OPTIONS"))
    await peer.response(200)


async def test_transactions_are_forgotten(peer: RawPeer, desk: Desk, agent: UserAgent) -> None:
    await talk(peer, desk)
    peer.send(peer.request("BYE", cseq=2))
    await peer.response(200)
    await asyncio.sleep(FAST.timeout + 0.2)
    layer = agent.signalling.transactions
    assert layer.open_transactions == 0
    assert agent.calls == []
