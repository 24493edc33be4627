"""CANCEL and its races with the answer, on a real socket."""

from __future__ import annotations

import pytest

from her_os.contracts.errors import CallEnded
from her_os.telephony.sip.calls import CallState
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import RawPeer
from tests.telephony.sip.ringing import ring, talk
from tests.waiting import until


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
