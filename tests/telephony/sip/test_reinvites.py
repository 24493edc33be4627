"""A call that is changed while it lasts: hold and resume, glare, a change that cannot be met."""

from __future__ import annotations

import asyncio

import pytest

from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.errors import CallRefused, RequestTimeout
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import OFFER, RawPeer
from tests.telephony.sip.ringing import talk


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


@pytest.mark.parametrize("status", [481, 408])
async def test_a_far_end_that_has_forgotten_the_call_ends_it(peer: RawPeer, desk: Desk, status: int) -> None:
    await talk(peer, desk)
    ours = asyncio.create_task(desk.calls[0].reinvite())
    peer.reply(await peer.received("INVITE"), status)
    with pytest.raises(CallRefused):
        await ours
    await peer.received("ACK")
    peer.reply(await peer.received("BYE"), 481)
    assert desk.media[0].ended == ["the far end has forgotten the call"]


async def test_a_far_end_that_does_not_answer_a_reinvite_ends_the_call(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    with pytest.raises(RequestTimeout):
        await desk.calls[0].reinvite()
    assert desk.media[0].ended == ["the far end has forgotten the call"]


async def test_a_reinvite_that_is_refused_leaves_the_call_as_it_was(peer: RawPeer, desk: Desk) -> None:
    await talk(peer, desk)
    ours = asyncio.create_task(desk.calls[0].reinvite())
    peer.reply(await peer.received("INVITE"), 488)
    with pytest.raises(CallRefused):
        await ours
    assert desk.calls[0].state is CallState.CONFIRMED
