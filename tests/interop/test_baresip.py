"""Calls with baresip: media in every codec both ways, digits both ways, hold, CANCEL, passwords, registration."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import place_call
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener
from tests.interop.baresip import Baresip, running_baresip
from tests.interop.daemon import NOBODY, Daemon
from tests.interop.signals import Samples, arrived, pcm16, read_wav, samples, speech_like, write_wav
from tests.waiting import until

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not shutil.which("baresip"), reason="baresip is not installed")]
PORTS = PortPool(55_000, 59_999)
ALICE = "<sip:alice@127.0.0.1:{port}>;regint=0"


@pytest.fixture
def upward() -> Samples:
    return speech_like(12, seed=1)


@pytest.fixture
def source(tmp_path: Path, upward: Samples) -> Path:
    write_wav(tmp_path / "upward.wav", upward, 16_000)
    return tmp_path / "upward.wav"


async def dial(phone: Baresip, server: SipServer) -> None:
    await phone.command("dial", f"sip:her@127.0.0.1:{server.port}")


def kitchen(server: SipServer, password: str, regint: int = 0) -> str:
    address = f"<sip:kitchen@127.0.0.1:{server.port}>"
    return f"{address};auth_user=kitchen;auth_pass={password};regint={regint}"


@pytest.mark.parametrize(("codec", "rate"), [("G722", 16_000), ("PCMU", 8_000), ("PCMA", 8_000)])
async def test_media_and_digits_both_ways(tmp_path: Path, upward: Samples, codec: str, rate: int) -> None:
    write_wav(tmp_path / "upward.wav", upward, rate)
    downward = speech_like(4, seed=2)
    daemon = Daemon(pcm16(downward))
    account = f"{ALICE};audio_codecs={codec}/8000/1"
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=tmp_path / "upward.wav", account=account, rate=rate) as phone,
    ):
        await dial(phone, server)
        await phone.event("CALL_ESTABLISHED")
        await until(lambda: daemon.ears and len(daemon.ears[0].pcm) > 4.5 * 32_000)
        heard = samples(bytes(daemon.ears[0].pcm))
        for digit in "0123456789*#":
            await phone.command("sndcode", digit)
            await until(lambda digit=digit: daemon.ears[0].digits.endswith(digit))
        await daemon.lines[0].send_dtmf("147*#")
        await until(lambda: len(phone.of_type("CALL_DTMF_START")) >= 5)
        await phone.command("hangup")
        await until(lambda: daemon.ended)
    assert daemon.lines[0].codec == codec
    assert daemon.ears[0].digits == "0123456789*#"
    assert [event["param"] for event in phone.of_type("CALL_DTMF_START")] == list("147*#")
    assert arrived(upward, heard) > 0.99
    (dumped,) = phone.dump.glob("*-dec.wav")
    assert arrived(downward, read_wav(dumped)[: 5 * 16_000]) > 0.99


async def test_encrypted_sound_on_a_connection(tmp_path: Path, source: Path, upward: Samples) -> None:
    downward = speech_like(4, seed=2)
    daemon = Daemon(pcm16(downward))
    account = f"{ALICE};audio_codecs=G722/8000/1;mediaenc=srtp-mand"
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=source, account=account) as phone,
    ):
        await phone.command("dial", f"sip:her@127.0.0.1:{server.agent.signalling.streams.ports['tcp']};transport=tcp")
        await phone.event("CALL_ESTABLISHED")
        await until(lambda: daemon.ears and len(daemon.ears[0].pcm) > 4.5 * 32_000)
        heard = samples(bytes(daemon.ears[0].pcm))
        assert daemon.lines[0].statistics().extra["packets_invalid"] == 0
        await daemon.lines[0].hang_up()
        await phone.event("CALL_CLOSED")
    assert arrived(upward, heard) > 0.99
    (dumped,) = phone.dump.glob("*-dec.wav")
    assert arrived(downward, read_wav(dumped)[: 5 * 16_000]) > 0.99


async def test_g722_wins_when_the_phone_prefers_another(tmp_path: Path, source: Path) -> None:
    daemon = Daemon()
    account = f"{ALICE};audio_codecs=PCMA/8000/1,PCMU/8000/1,G722/16000/1,G722/8000/1"
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=source, account=account) as phone,
    ):
        await dial(phone, server)
        await phone.event("CALL_ESTABLISHED")
        await until(lambda: daemon.lines)
        assert daemon.lines[0].codec == "G722"


async def test_hold_and_resume(tmp_path: Path, source: Path) -> None:
    daemon = Daemon()
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=source, account=ALICE) as phone,
    ):
        await dial(phone, server)
        await phone.event("CALL_ESTABLISHED")
        await until(lambda: daemon.ears and daemon.ears[0].pcm)
        await phone.command("hold")
        await until(lambda: daemon.ears[0].holds == [True])
        before = len(daemon.ears[0].pcm)
        await phone.command("resume")
        await until(lambda: daemon.ears[0].holds == [True, False])
        await until(lambda: len(daemon.ears[0].pcm) > before + 16_000)


async def test_the_caller_gives_up_while_it_rings(tmp_path: Path, source: Path) -> None:
    daemon = Daemon(answers=False)
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=source, account=ALICE) as phone,
    ):
        await dial(phone, server)
        await phone.event("CALL_RINGING")
        await phone.command("hangup")
        await until(lambda: daemon.ended)
    assert daemon.ended == ["the caller cancelled"]


async def test_the_daemon_hangs_up(tmp_path: Path, source: Path) -> None:
    daemon = Daemon()
    async with (
        daemon.serving(tmp_path) as server,
        running_baresip(tmp_path / "phone", source=source, account=ALICE) as phone,
    ):
        await dial(phone, server)
        await phone.event("CALL_ESTABLISHED")
        await daemon.lines[0].hang_up("goodbye")
        await phone.event("CALL_CLOSED")


@pytest.mark.parametrize("right", [True, False])
async def test_a_stranger_needs_the_password(tmp_path: Path, source: Path, right: bool) -> None:
    daemon = Daemon()
    password = AccountStore(tmp_path, "her-os").add("kitchen")
    async with daemon.serving(tmp_path, trusted=NOBODY) as server:
        account = kitchen(server, password if right else "wrong")
        async with running_baresip(tmp_path / "phone", source=source, account=account) as phone:
            await dial(phone, server)
            await phone.event("CALL_ESTABLISHED" if right else "CALL_CLOSED")
            await until(lambda: bool(daemon.lines) is right)
    assert bool(daemon.lines) is right
    assert not right or daemon.lines[0].caller.account == "kitchen"
    assert right or "401 Unauthorized" in phone.output


@pytest.mark.parametrize("right", [True, False])
async def test_registration(tmp_path: Path, source: Path, right: bool) -> None:
    password = AccountStore(tmp_path, "her-os").add("kitchen")
    async with Daemon().serving(tmp_path, trusted=NOBODY) as server:
        account = kitchen(server, password if right else "wrong", regint=60)
        async with running_baresip(tmp_path / "phone", source=source, account=account) as phone:
            # A phone that goes on with a wrong password is told 401 again and again, and in the end to come back later.
            ends = ("200 OK (",) if right else ("401 Unauthorized (", "503 Service Unavailable (")
            await until(lambda: any(end in phone.output for end in ends))
            assert ("SIP/2.0 401 Unauthorized" in phone.output) or not right
            assert server.registrar.accounts() == (["kitchen"] if right else [])
        assert server.registrar.accounts() == []


async def test_we_call_baresip(tmp_path: Path, source: Path, upward: Samples) -> None:
    agent, ear = UserAgent(), Listener()
    account = f"{ALICE};answermode=auto;audio_codecs=G722/8000/1"
    async with running_baresip(tmp_path / "phone", source=source, account=account) as phone:
        await agent.start("127.0.0.1", 0)
        try:
            target = f"sip:alice@127.0.0.1:{phone.sip_port}"
            assert (await agent.options(target)).status == 200
            line = await place_call(agent, target, PORTS, bind_host="127.0.0.1")
            line.start(ear)
            await until(lambda: len(ear.pcm) > 4 * 32_000)
            heard = samples(bytes(ear.pcm))
            await line.hold()
            await phone.event("CALL_REMOTE_SDP")
            await line.resume()
            await line.send_dtmf("5")
            await phone.event("CALL_DTMF_START", param="5")
            await line.hang_up()
            await phone.event("CALL_CLOSED")
        finally:
            await agent.stop()
    assert arrived(upward, heard) > 0.99


async def test_we_give_up_calling_baresip_and_it_declines(tmp_path: Path, source: Path) -> None:
    agent = UserAgent()
    async with running_baresip(tmp_path / "phone", source=source, account=f"{ALICE};answermode=manual") as phone:
        await agent.start("127.0.0.1", 0)
        target = f"sip:alice@127.0.0.1:{phone.sip_port}"
        try:
            calling = asyncio.create_task(place_call(agent, target, PORTS, bind_host="127.0.0.1"))
            await phone.event("CALL_INCOMING")
            calling.cancel()
            await asyncio.wait({calling})
            await phone.event("CALL_CLOSED")
            phone.events.clear()
            calling = asyncio.create_task(place_call(agent, target, PORTS, bind_host="127.0.0.1"))
            await phone.event("CALL_INCOMING")
            await phone.command("hangup")
            with pytest.raises(CallRefused):
                await calling
        finally:
            await agent.stop()
