"""Session timers (RFC 4028): both roles, both sides, and what happens when nobody refreshes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import FAST, Desk, uri_of, user_agent
from tests.telephony.sip.fake_media import FakeMedia
from tests.telephony.sip.raw_peer import OFFER, RawPeer
from tests.waiting import until

SHORT = replace(FAST, session_s=1, min_session_s=1)
"""Refreshed after 0.5 s, over after 0.67 s."""


@pytest_asyncio.fixture
async def agent(desk: Desk) -> AsyncIterator[UserAgent]:
    desk.auto_answer = True
    async with user_agent(desk, SHORT) as agent:
        yield agent


async def answered(peer: RawPeer, extra: str) -> tuple[str, str]:
    """INVITE up to ACK; Session-Expires and Require of the answer."""
    peer.send(peer.request("INVITE", body=OFFER, extra="Content-Type: application/sdp\r\n" + extra))
    await peer.response(100)
    await peer.response(180)
    answer = await peer.response(200)
    peer.send(peer.request("ACK"))
    return answer.headers.get("Session-Expires"), answer.headers.get("Require")


async def test_a_caller_that_refreshes_keeps_the_call_and_one_that_stops_loses_it(peer: RawPeer, desk: Desk) -> None:
    assert await answered(peer, "Supported: timer\r\nSession-Expires: 1\r\n") == ("1;refresher=uac", "timer")
    for cseq in (2, 3, 4):
        await peer.quiet(0.4)
        extra = "Content-Type: application/sdp\r\nSupported: timer\r\nSession-Expires: 1;refresher=uac\r\n"
        peer.send(peer.request("INVITE", cseq=cseq, body=OFFER, extra=extra))
        assert (await peer.response(200)).headers.get("Session-Expires") == "1;refresher=uac"
        peer.send(peer.request("ACK", cseq=cseq))
    bye = await peer.received("BYE")
    peer.reply(bye, 200)
    assert desk.calls[0].state is CallState.ENDED
    assert desk.media[0].ended == ["the session expired: no refresh came in time"]


@pytest.mark.parametrize("extra", ["", "Supported: timer\r\nSession-Expires: 1;refresher=uas\r\n"])
async def test_we_refresh_a_caller_that_does_not(peer: RawPeer, desk: Desk, extra: str) -> None:
    assert await answered(peer, extra) == ("1;refresher=uas", "")
    for _ in range(2):
        refresh = await peer.received("INVITE")
        assert refresh.headers.get("Session-Expires") == "1;refresher=uac"
        body = OFFER.replace("m=audio 40000", "m=audio 40002")
        peer.reply(
            refresh, 200, extra="Session-Expires: 1;refresher=uac\r\nContent-Type: application/sdp\r\n", body=body
        )
        await peer.received("ACK")
    await peer.received("INVITE")
    assert desk.calls[0].state is CallState.CONFIRMED
    while (await peer.received_any()).method == "INVITE":
        pass  # unanswered: the session ends
    assert desk.calls[0].state is CallState.ENDED


async def test_too_short_is_refused_with_what_would_do(peer: RawPeer, agent: UserAgent) -> None:
    agent.signalling.timers = agent.signalling.transactions.timers = replace(SHORT, min_session_s=90)
    extra = "Content-Type: application/sdp\r\nSupported: timer\r\nSession-Expires: 10\r\n"
    peer.send(peer.request("INVITE", body=OFFER, extra=extra))
    assert (await peer.response(422)).headers.get("Min-SE") == "90"
    assert not agent.calls


async def test_an_extension_that_is_only_timers_may_be_required(peer: RawPeer, desk: Desk) -> None:
    assert (await answered(peer, "Require: timer\r\nSupported: timer\r\nSession-Expires: 1800\r\n"))[
        0
    ] == "1;refresher=uac"


async def test_two_of_ours_keep_each_other_up_and_a_longer_minimum_is_asked_for_again(desk: Desk) -> None:
    desk.auto_answer = True
    strict = replace(FAST, session_s=2, min_session_s=2)
    async with user_agent(desk, strict) as callee, user_agent(timers=SHORT) as caller:
        media = FakeMedia()
        call = await caller.invite(uri_of(callee), media)
        assert desk.calls[0].invite.headers.get("Session-Expires") == "2"
        await until(lambda: len(desk.media[0].sessions) >= 3, "two refreshes")
        assert call.state is CallState.CONFIRMED
        assert not media.ended
        await call.bye()
