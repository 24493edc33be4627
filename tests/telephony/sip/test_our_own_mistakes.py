"""A mistake of our own costs one answer of 500 and one traceback: no call, transaction or port stays behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.negotiation import Negotiator
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import Desk
from tests.telephony.sip.raw_peer import OFFER, RawPeer, raw_peer
from tests.telephony.sip.ringing import talk
from tests.telephony.sip.test_sip_server import Daemon, serving
from tests.waiting import until


class Bug(Exception):
    """What nobody foresaw."""


def _fail(*_: Any) -> Any:
    raise Bug


def _tracebacks(caplog: pytest.LogCaptureFixture) -> int:
    return sum(bool(record.exc_info) for record in caplog.records)


async def test_an_offer_that_makes_us_stumble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Negotiator, "answer", _fail)
    daemon = Daemon()
    async with serving(daemon, tmp_path) as server, raw_peer(server.port) as peer:
        invite = peer.request("INVITE", branch="z9hG4bKbug", body=OFFER)
        peer.send(invite)
        await peer.response(100)
        await peer.response(500)
        peer.send(invite)
        await peer.response(500)
        peer.send(peer.request("ACK", branch="z9hG4bKbug"))
        await until(lambda: server.agent.signalling.transactions.open_transactions == 0)
        assert server.agent.calls == []
    assert daemon.lines == []
    assert _tracebacks(caplog) == 1


async def test_a_reinvite_that_makes_us_stumble_leaves_the_call_as_it_was(
    agent: UserAgent, peer: RawPeer, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await talk(peer, desk)
    monkeypatch.setattr(desk.media[0], "answer_offer", _fail)
    peer.send(peer.request("INVITE", cseq=2, branch="z9hG4bKbug", body=OFFER))
    assert (await peer.response(500)).to.tag == desk.calls[0].dialog.local_tag
    peer.send(peer.request("ACK", cseq=2, branch="z9hG4bKbug"))
    await until(lambda: agent.signalling.transactions.open_transactions == 0)
    assert desk.calls[0].state is CallState.CONFIRMED
    assert _tracebacks(caplog) == 1
    peer.send(peer.request("BYE", cseq=3))
    await peer.response(200)


async def test_info_that_makes_us_stumble(
    peer: RawPeer, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await talk(peer, desk)
    monkeypatch.setattr(desk.media[0], "on_info", _fail)
    peer.send(peer.request("INFO", cseq=2, body="Signal=1", extra="Content-Type: application/dtmf-relay\r\n"))
    await peer.response(500)
    assert _tracebacks(caplog) == 1


async def test_a_late_answer_that_makes_us_stumble_ends_the_call(
    agent: UserAgent, peer: RawPeer, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    peer.send(peer.request("INVITE"))
    await peer.response(100)
    await peer.response(180)
    monkeypatch.setattr(desk.media[0], "accept_answer", _fail)
    desk.answer(desk.calls[0])
    await peer.response(200)
    peer.send(peer.request("ACK", body=OFFER))
    peer.reply(await peer.received("BYE"), 200)
    assert agent.calls == []
    assert _tracebacks(caplog) == 1


async def test_an_end_that_makes_us_stumble_ends_the_call_all_the_same(
    agent: UserAgent, peer: RawPeer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talk(peer, desk)
    monkeypatch.setattr(desk.media[0], "on_call_ended", _fail)
    peer.send(peer.request("BYE", cseq=2))
    await peer.response(200)
    assert agent.calls == []
