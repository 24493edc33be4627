"""The first steps of a call that comes in, as the far end takes them."""

from __future__ import annotations

from her_os.telephony.sip.calls import CallState
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import OFFER, RawPeer
from tests.waiting import until


async def ring(peer: RawPeer, desk: Desk, branch: str = "z9hG4bKfirst", body: str = OFFER) -> None:
    """INVITE, up to 180."""
    peer.send(peer.request("INVITE", branch=branch, body=body))
    await peer.response(100)
    await peer.response(180)


async def talk(peer: RawPeer, desk: Desk) -> None:
    """INVITE, up to the ACK of the answer."""
    await ring(peer, desk)
    desk.answer(desk.calls[0])
    await peer.response(200)
    peer.send(peer.request("ACK"))
    await until(lambda: desk.calls[0].state is CallState.CONFIRMED)
