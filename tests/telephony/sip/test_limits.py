"""What one source may ask of us, by the rules and on the wire."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.limits import CallLimit, RateLimit
from her_os.telephony.sip.message import SipResponse
from her_os.telephony.sip.refusal_log import RefusalLog
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener
from tests.ports import free_ports
from tests.telephony.sip.agents import FAST
from tests.telephony.sip.raw_peer import OFFER, RawPeer, raw_peer


def test_a_source_may_come_back_when_it_was_told() -> None:
    now = 0.0
    limit = RateLimit(60, lambda: now)
    assert [limit.check("a") for _ in range(10)] == [None] * 10
    refused = limit.check("a")
    assert refused is not None
    assert (refused.status, refused.headers) == (503, (("Retry-After", "1"),))
    assert limit.check("b") is None, "another source is not meant"
    now = 1.0
    assert limit.check("a") is None


def test_sources_remembered_are_bounded() -> None:
    limit = RateLimit(60, lambda: 0.0)
    for number in range(5_000):
        limit.check(str(number))
    assert len(limit._buckets) == 2_000


def test_calls_at_once() -> None:
    limit = CallLimit(1)
    limit.began("a")
    refused = limit.check("a")
    assert refused is not None
    assert refused.status == 486
    assert limit.check("b") is None
    limit.ended("a")
    assert limit.check("a") is None


def test_every_refusal_is_counted_and_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    book = RefusalLog(lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            book.tell("rate", "INVITE", "192.0.2.9", "too many")
        now = 11.0
        book.tell("rate", "INVITE", "192.0.2.9", "too many")
    assert book.counts == {"rate": 51}
    assert [record.message for record in caplog.records] == [
        "refused INVITE from 192.0.2.9: too many",
        "refused INVITE from 192.0.2.9: too many (and 49 more since)",
    ]


async def test_on_the_wire(tmp_path: Path) -> None:
    first = free_ports(8)
    phone = Phone(
        sip_host="127.0.0.1",
        sip_port=0,
        rtp_port_min=first,
        rtp_port_max=first + 7,
        max_calls_per_source=1,
        requests_per_minute=60,
    )

    async def on_call(line: SipLine) -> None:
        await line.answer()
        line.start(Listener())
        await line.wait_ended()

    server = SipServer(
        phone, AccountStore(tmp_path, "her-os"), on_call, trusted_networks=("127.0.0.1/32",), timers=FAST
    )
    await server.start()
    try:
        async with raw_peer(server.port) as held, raw_peer(server.port) as second:
            held.send(held.request("INVITE", body=OFFER))
            for status in (100, 180, 200):
                await held.response(status)
            held.send(held.request("ACK"))
            second.send(second.request("INVITE", body=OFFER))
            refused = await second.response(486)
            assert refused.headers.get("Retry-After") == "30"
            async with raw_peer(server.port, host="127.0.0.2") as flood:
                statuses = [(await _register(flood, number)).status for number in range(12)]
                assert statuses == [401] * 10 + [503] * 2
                assert (await _register(flood, 99)).headers.get("Retry-After")
            held.send(held.request("BYE", cseq=2))
            await held.response(200)
        assert server.refusals.counts == {"calls": 1, "rate": 3}
    finally:
        await server.stop()


async def _register(peer: RawPeer, number: int) -> SipResponse:
    peer.send(peer.request("REGISTER", cseq=number + 1))
    answer = await peer.next()
    assert isinstance(answer, SipResponse)
    return answer
