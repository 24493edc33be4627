"""INFO, OPTIONS and strays inside a dialog, on a real socket."""

from __future__ import annotations

import asyncio

import pytest

from her_os.telephony.sip.calls import CallState
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import RawPeer
from tests.telephony.sip.ringing import talk


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
