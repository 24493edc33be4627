"""What we do not serve is refused clearly, without state; noise is ignored."""

from __future__ import annotations

import asyncio

import pytest

from her_os.telephony.sip.responses import Refusal
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import OFFER, RawPeer
from tests.telephony.sip.ringing import ring


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


async def test_refusals_are_stateless_and_repeat_with_the_same_tag(peer: RawPeer, desk: Desk) -> None:
    desk.refusal = Refusal(403, "no")
    invite = peer.request("INVITE", body=OFFER)
    tags: set[str] = set()
    for _ in range(2):
        peer.send(invite)
        tags.add((await peer.response(403)).to.tag)
    assert len(tags) == 1
    await peer.quiet(0.1)


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
    peer.send(peer.request("INVITE", body=OFFER, extra="Require: 100rel, timer, replaces\r\n"))
    response = await peer.response(420)
    assert response.headers.get("Unsupported") == "100rel, replaces"
    assert not desk.calls


async def test_bodies_we_do_not_read(peer: RawPeer, desk: Desk) -> None:
    peer.send(peer.request("INVITE", body="hello", extra="Content-Type: text/plain\r\n"))
    response = await peer.response(415)
    assert response.headers.get("Accept") == "application/sdp"


async def test_noise_is_ignored(peer: RawPeer) -> None:
    for noise in (b"", b"\r\n\r\n", b"\0" * 20, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 2000):
        peer.send(noise)
    peer.send(peer.request("OPTIONS"))
    await peer.response(200)
