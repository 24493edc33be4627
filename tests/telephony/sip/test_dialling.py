"""Calls of ours: whom we may call, what becomes of it, and putting the far end through to somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from her_os.contracts.errors import CallEnded
from her_os.daemons.phone_api import PhoneApi
from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.calls import CallState
from her_os.telephony.sip.dial_plan import DialPlan, DialRefused
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import CallRefused, RequestTimeout
from her_os.telephony.sip.registrar import Registrar
from her_os.telephony.sip.trunks import Trunks
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import Place, SipServer
from tests.fakes.listener import Listener
from tests.ports import free_ports
from tests.telephony.sip.agents import FAST, Desk, user_agent
from tests.telephony.sip.pbx import PASSWORD, USER, Pbx, running
from tests.telephony.sip.raw_peer import RawPeer
from tests.telephony.sip.ringing import talk as talk_to
from tests.telephony.sip.test_trunks import RULES, trunk
from tests.waiting import until


class Assistant:
    """Holds a call as the call desk does."""

    busy = False
    calls = 0

    def __init__(self) -> None:
        self.lines: list[SipLine] = []

    async def hold(self, line: SipLine, answer: Place) -> str:
        await answer()
        line.start(Listener())
        self.lines.append(line)
        return await line.wait_ended()


@asynccontextmanager
async def house(
    tmp_path: Path, *, allow: tuple[str, ...] = (), pbx: Pbx | None = None, ring_s: int = 5
) -> AsyncIterator[tuple[SipServer, Assistant]]:
    first = free_ports(8)
    phone = Phone(
        sip_host="127.0.0.1",
        sip_port=0,
        rtp_port_min=first,
        rtp_port_max=first + 7,
        dial_allowlist=allow,
        ring_timeout_s=ring_s,
        trunks=(trunk(pbx.agent.port),) if pbx else (),
    )
    assistant = Assistant()

    async def on_call(line: SipLine) -> None:
        await assistant.hold(line, line.answer)

    accounts = AccountStore(tmp_path, "her-os")
    passwords = {"pbx": PASSWORD}
    server = SipServer(phone, accounts, on_call, timers=FAST, trunk_passwords=passwords, trunk_rules=RULES)
    await server.start()
    try:
        yield server, assistant
    finally:
        await server.stop()


@asynccontextmanager
async def phone_in_the_kitchen(server: SipServer, desk: Desk) -> AsyncIterator[UserAgent]:
    async with user_agent(desk) as kitchen:
        await kitchen.register(f"sip:127.0.0.1:{server.port}", Credentials("kitchen", ""))
        yield kitchen


async def test_a_registered_phone_is_called_and_talks_to_the_assistant(tmp_path: Path, desk: Desk) -> None:
    desk.auto_answer = True
    async with house(tmp_path) as (server, assistant), phone_in_the_kitchen(server, desk):
        line = await server.dial("Kitchen", assistant.hold)
        assert line.answered
        assert [one.call_id for one in server.lines()] == [line.call_id]
        await desk.calls[0].bye()
        await until(lambda: line.ended_reason)
        await until(lambda: not server.lines())


@pytest.mark.parametrize(
    "target", ["sip:anyone@192.0.2.1", "+447700900000", "0900123", "sip:kitchen@evil.example", "99@pbx"]
)
async def test_nothing_beyond_the_house_is_called_unless_allowed(tmp_path: Path, target: str) -> None:
    async with house(tmp_path) as (server, assistant):
        with pytest.raises(DialRefused, match=r"not in phone\.dial_allowlist") as refused:
            await server.dial(target, assistant.hold)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("nobody", 404),
        ("", 404),
        ("sip:a b@c", 400),
        ("sip:a@b\r\nX: y", 400),
        ("sip:", 400),
        ("sip:x@ok.example?Route=y", 400),
    ],
)
async def test_what_is_no_target(tmp_path: Path, target: str, status: int) -> None:
    async with house(tmp_path, allow=("*",)) as (server, assistant):
        with pytest.raises(DialRefused) as refused:
            await server.dial(target, assistant.hold)
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("allowed", "target", "ok"),
    [
        ("+44*", "+4412345", True),
        ("+44*", "+49441", False),
        ("sip:*@pbx.example", "sip:bob@pbx.example:5070", True),
        ("sip:*@pbx.example", "sip:bob@pbx.example@evil.example", False),
        ("sip:*@pbx.example", "sip:x@evil.example;y=@pbx.example", False),
        ("12[*]3", "12*3", True),
        ("12[*]3", "1293", False),
    ],
)
def test_patterns_of_the_allowlist(allowed: str, target: str, ok: bool) -> None:
    plan = DialPlan(Registrar(), Trunks(UserAgent(), (), {}), (allowed,))
    try:
        plan.route(target)
        permitted = True
    except DialRefused as error:
        permitted = error.status == 503  # allowed, but no trunk is up
    assert permitted is ok


async def test_a_number_goes_out_by_the_trunk_with_its_password(tmp_path: Path) -> None:
    async with running(Pbx()) as pbx, house(tmp_path, allow=("123*",), pbx=pbx) as (server, assistant):
        await until(lambda: server.trunks.way_out())
        line = await server.dial("1234", assistant.hold)
        assert pbx.calls[0].invite.uri.startswith("sip:1234@127.0.0.1")
        assert f"sip:{USER}@" in pbx.calls[0].invite.from_.uri
        await line.hang_up("enough")


async def test_nobody_answers_and_somebody_declines(tmp_path: Path, desk: Desk) -> None:
    async with house(tmp_path, ring_s=1) as (server, assistant), phone_in_the_kitchen(server, desk):
        with pytest.raises(RequestTimeout, match="did not answer within 1 s"):
            await server.dial("kitchen", assistant.hold)
        await until(lambda: desk.media[0].ended == ["the caller cancelled"])
        ringing = asyncio.create_task(server.dial("kitchen", assistant.hold))
        await until(lambda: len(desk.calls) == 2)
        desk.calls[1].cancelled()
        with pytest.raises(CallRefused, match="487"):
            await ringing
    assert not assistant.lines


async def test_by_the_api(tmp_path: Path, desk: Desk) -> None:
    desk.auto_answer = True
    async with house(tmp_path) as (server, assistant), phone_in_the_kitchen(server, desk):
        app = web.Application()
        app.add_routes(PhoneApi(lambda: (server, assistant)).routes())  # type: ignore[arg-type]
        async with TestClient(TestServer(app)) as client:
            assert (await client.post("/v1/calls", json={"to": "+1900"})).status == 403
            assert (await client.post("/v1/calls", json={"to": "nobody"})).status == 404
            assert (await client.post("/v1/calls", data=b"{")).status == 400
            placed = await client.post("/v1/calls", json={"to": "kitchen"})
            assert placed.status == 201
            call_id = (await placed.json())["call_id"]
            lines = (await (await client.get("/v1/calls")).json())["lines"]
            assert [one["call_id"] for one in lines] == [call_id]
            assert (await client.post(f"/v1/calls/{call_id}/transfer", json={"to": "+1900"})).status == 403
            assert (await client.delete(f"/v1/calls/{call_id}")).status == 200
            assert (await client.delete(f"/v1/calls/{call_id}")).status == 404
            assistant.busy = True
            refused = await client.post("/v1/calls", json={"to": "kitchen"})
            assert (refused.status, refused.headers["Retry-After"]) == (503, "30")


NOTIFY = "Event: refer;id=1\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n"


async def test_transfer(peer: RawPeer, desk: Desk) -> None:
    await talk_to(peer, desk)
    transfer = asyncio.create_task(desk.calls[0].transfer("sip:office@127.0.0.1"))
    refer = await peer.received("REFER")
    assert refer.headers.get("Refer-To") == "<sip:office@127.0.0.1>"
    assert refer.headers.get("Referred-By").startswith("<sip:")
    peer.reply(refer, 202)
    for cseq, state, body in (
        (2, "active", "SIP/2.0 100 Trying"),
        (3, "terminated;reason=noresource", "SIP/2.0 200 OK"),
    ):
        peer.send(peer.request("NOTIFY", cseq=cseq, extra=NOTIFY.format(state=state), body=body))
        await peer.response(200)
    peer.reply(await peer.received("BYE"), 200)
    await transfer
    assert desk.media[0].ended == ["transferred"]


async def test_a_transfer_that_fails_leaves_the_call(peer: RawPeer, desk: Desk) -> None:
    await talk_to(peer, desk)
    transfer = asyncio.create_task(desk.calls[0].transfer("sip:office@127.0.0.1"))
    peer.reply(await peer.received("REFER"), 202)
    extra = NOTIFY.format(state="terminated;reason=noresource")
    peer.send(peer.request("NOTIFY", cseq=2, extra=extra, body="SIP/2.0 486 Busy Here"))
    await peer.response(200)
    with pytest.raises(CallRefused, match="486"):
        await transfer
    refused = asyncio.create_task(desk.calls[0].transfer("sip:office@127.0.0.1"))
    peer.reply(await peer.received("REFER"), 603)
    with pytest.raises(CallRefused, match="603"):
        await refused
    assert desk.calls[0].state is CallState.CONFIRMED
    stray = peer.request("NOTIFY", cseq=3, extra=extra, body="SIP/2.0 200 OK")
    peer.send(stray)
    await peer.response(481)
    gone = asyncio.create_task(desk.calls[0].transfer("sip:office@127.0.0.1"))
    peer.reply(await peer.received("REFER"), 202)
    peer.send(peer.request("BYE", cseq=4))
    await peer.response(200)
    with pytest.raises(CallEnded):
        await gone


async def test_a_transfer_to_silence_ends_after_our_patience(peer: RawPeer, desk: Desk) -> None:
    await talk_to(peer, desk)
    transfer = asyncio.create_task(desk.calls[0].transfer("sip:office@127.0.0.1", patience_s=0.1))
    peer.reply(await peer.received("REFER"), 202)
    peer.reply(await peer.received("BYE"), 200)
    await transfer
