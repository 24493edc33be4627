"""Registered at a PBX: digest in every form, kept alive, moved when a server fails, calls in by it, told of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError
from her_os.settings.schema import Phone, Trunk
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.sip.registration import RetryRules, renewal_after_s
from her_os.telephony.sip.trunks import Trunks
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener
from tests.ports import free_port, free_ports
from tests.telephony.sip.agents import FAST
from tests.telephony.sip.fake_media import FakeMedia
from tests.telephony.sip.pbx import PASSWORD, USER, Pbx, running
from tests.waiting import until

RULES = RetryRules(patience_s=0.5, retry_s=0.05, retry_max_s=0.2)


def trunk(*ports: int) -> Trunk:
    return Trunk(name="pbx", user=USER, servers=tuple(f"127.0.0.1:{port}" for port in ports))


@asynccontextmanager
async def registering(one: Trunk, password: str = PASSWORD) -> AsyncIterator[Trunks]:
    agent = UserAgent(timers=FAST)
    await agent.start("127.0.0.1", 0)
    trunks = Trunks(agent, [one], {"pbx": password}, RULES)
    trunks.start()
    try:
        yield trunks
    finally:
        await trunks.stop()
        await agent.stop(grace_s=0.1)


@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-256", "MD5")])
@pytest.mark.parametrize("qop", ["auth", "auth-int,auth", "auth, auth-int"])
async def test_digest_in_every_form(algorithms: tuple[str, ...], qop: str) -> None:
    async with running(Pbx(algorithms, qop)) as pbx, registering(trunk(pbx.agent.port)) as trunks:
        await until(lambda: pbx.contacts)
        given = pbx.registers[0].headers.get("Authorization")
        assert f"algorithm={algorithms[0]}" in given
        assert "qop=auth," in given
        await until(lambda: trunks.describe() == {"pbx": f"registered at 127.0.0.1:{pbx.agent.port}"})
    assert pbx.contacts == [], "taken back at the end"


async def test_it_is_renewed_before_it_expires_as_the_same_registration() -> None:
    async with running(Pbx(grant_s=1)) as pbx, registering(trunk(pbx.agent.port)):
        await until(lambda: len(pbx.registers) >= 3)
    assert len({request.call_id for request in pbx.registers}) == 1
    assert [request.cseq[0] for request in pbx.registers] == sorted({request.cseq[0] for request in pbx.registers})
    assert len({request.headers.get("Contact") for request in pbx.registers}) == 1


@pytest.mark.parametrize(("granted", "after"), [(3600, 3540), (120, 60), (60, 30), (30, 15)])
def test_when_it_is_renewed(granted: int, after: float) -> None:
    assert renewal_after_s(granted) == after


async def test_the_next_server_takes_over_and_the_call_comes_by_it() -> None:
    first, second = Pbx(grant_s=1), Pbx(grant_s=1)
    async with running(second):
        async with running(first), registering_at(first, second) as trunks:
            await until(lambda: first.contacts)
            assert not second.contacts
            await first.agent.stop()
            await until(lambda: second.contacts, "moved")
            await until(lambda: trunks.registrations[0].server.endswith(str(second.agent.port)))
        assert second.contacts == []


@asynccontextmanager
async def registering_at(*pbxes: Pbx) -> AsyncIterator[Trunks]:
    async with registering(trunk(*(pbx.agent.port for pbx in pbxes))) as trunks:
        yield trunks


async def test_a_wrong_password_is_told_and_tried_again_calmly(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Pbx()) as pbx, registering(trunk(pbx.agent.port), "wrong") as trunks:
        await until(lambda: "401" in trunks.describe()["pbx"])
        assert "compare the trunk's `user` and its password" in trunks.describe()["pbx"]
        await asyncio.sleep(0.3)
        assert not pbx.registers
    told = [record.message for record in caplog.records if "cannot register" in record.message]
    assert len(told) == 1, "once for a state, not for each attempt"
    assert "wrong" not in told[0]


async def test_nobody_there_is_told() -> None:
    async with registering(trunk(free_port())) as trunks:
        await until(lambda: trunks.describe()["pbx"].startswith("failed"))
        assert "no answer" in trunks.describe()["pbx"]


def test_a_password_is_needed() -> None:
    with pytest.raises(ConfigError, match="HER_OS_TRUNK_PBX_PASSWORD"):
        Trunks(UserAgent(), [trunk(5060)], {})


async def test_a_call_by_the_trunk_needs_its_server_and_its_secret(tmp_path: Path) -> None:
    ports = free_ports(8)
    lines: list[SipLine] = []

    async def on_call(line: SipLine) -> None:
        lines.append(line)
        await line.answer()
        line.start(Listener())
        await line.wait_ended()

    async with running(Pbx()) as pbx:
        phone = Phone(
            sip_host="127.0.0.1",
            sip_port=0,
            rtp_port_min=ports,
            rtp_port_max=ports + 7,
            trunks=(trunk(pbx.agent.port),),
        )
        server = SipServer(
            phone,
            AccountStore(tmp_path, "her-os"),
            on_call,
            trusted_networks=(),
            timers=FAST,
            trunk_passwords={"pbx": PASSWORD},
            trunk_rules=RULES,
        )
        await server.start()
        try:
            await until(lambda: pbx.contacts)
            with pytest.raises(CallRefused, match="401"):
                await pbx.agent.invite(f"sip:her@127.0.0.1:{server.port}", FakeMedia())
            call = await pbx.agent.invite(pbx.contacts[0], FakeMedia())
            await until(lambda: lines)
            assert lines[0].caller.account == "pbx"
            await call.bye()
        finally:
            await server.stop()
