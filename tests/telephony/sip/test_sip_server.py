"""The phone daemon's SIP side with real media: who may call, ringing to hang-up, refusals, an orderly stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import CallEnded, ConfigError, ProtocolError
from her_os.settings.schema import Phone
from her_os.telephony.rtp.packet import RtpPacket, build_rtp
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import SipLine, place_call
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener
from tests.telephony.sip.agents import FAST, user_agent
from tests.telephony.sip.raw_peer import OFFER, raw_peer
from tests.waiting import until

PORTS = PortPool(20_000, 29_999)
STRANGERS: tuple[str, ...] = ()


class Daemon:
    """Answers every call and waits for its end, as the phone loop does."""

    def __init__(self) -> None:
        self.lines: list[SipLine] = []
        self.ears: list[Listener] = []
        self.refusal: Refusal | None = None
        self.callers: list[CallerInfo] = []

    async def on_call(self, line: SipLine) -> None:
        ear = Listener()
        self.lines.append(line)
        self.ears.append(ear)
        await line.answer()
        line.start(ear)
        await line.wait_ended()

    def admit(self, caller: CallerInfo) -> Refusal | None:
        self.callers.append(caller)
        return self.refusal


@asynccontextmanager
async def serving(
    daemon: Daemon,
    state_dir: Path,
    *,
    trusted: Sequence[str] = ("127.0.0.0/8",),
    on_call: Callable[[SipLine], Awaitable[None]] | None = None,
    silence_s: float = 30.0,
    **phone: object,
) -> AsyncIterator[SipServer]:
    settings = Phone(sip_host="127.0.0.1", sip_port=0, rtp_port_min=20_000, rtp_port_max=29_999, **phone)  # type: ignore[arg-type]
    server = SipServer(
        settings,
        AccountStore(state_dir, settings.realm),
        on_call or daemon.on_call,
        daemon.admit,
        timers=FAST,
        trusted_networks=trusted,
        silence_s=silence_s,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def target(server: SipServer) -> str:
    return f"sip:her@127.0.0.1:{server.port}"


async def call(
    agent: UserAgent, server: SipServer, credentials: Credentials | None = None, **options: object
) -> SipLine:
    return await place_call(agent, target(server), PORTS, bind_host="127.0.0.1", credentials=credentials, **options)  # type: ignore[arg-type]


async def test_protected_sound_and_what_is_not_genuine(tmp_path: Path) -> None:
    daemon, ear, stranger = Daemon(), Listener(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    async with serving(daemon, tmp_path, srtp="required") as server, user_agent() as agent:
        with pytest.raises(CallRefused) as refusal:
            await call(agent, server)
        assert refusal.value.status == 488
        line = await call(agent, server, secure=True)
        line.start(ear)
        await until(lambda: daemon.ears and len(daemon.ears[0].frames) > 5 and len(ear.frames) > 5)
        assert daemon.lines[0].statistics().extra["packets_invalid"] == 0
        with stranger:
            stranger.sendto(build_rtp(RtpPacket(9, 1, 1, 1, bytes(160))), ("127.0.0.1", daemon.lines[0].media_port))
            await until(lambda: daemon.lines[0].statistics().extra["packets_invalid"] == 1)
        await line.hold()
        await line.resume()
        await line.send_dtmf("5")
        await until(lambda: daemon.ears[0].digits == "5")
        assert daemon.lines[0].statistics().extra["packets_invalid"] == 1, "the keys outlive a hold"
        await line.hang_up()
        await until(lambda: daemon.ears[0].ended)


@pytest.mark.parametrize("codec", ["G722", "PCMU", "PCMA"])
async def test_a_call_with_media_digits_and_hold(tmp_path: Path, codec: str) -> None:
    daemon, ear = Daemon(), Listener()
    async with serving(daemon, tmp_path) as server, user_agent() as agent:
        line = await call(agent, server, codecs=(codec,))
        line.start(ear)
        await until(lambda: daemon.ears and len(daemon.ears[0].frames) > 5 and len(ear.frames) > 5)
        assert daemon.lines[0].codec == line.codec == codec
        await line.send_dtmf("1*")
        await daemon.lines[0].send_dtmf("9#")
        await until(lambda: (daemon.ears[0].digits, ear.digits) == ("1*", "9#"))
        await line.hold()
        await line.resume()
        assert daemon.ears[0].holds == [True, False]
        await line.hang_up()
        assert ear.ended == ["we hung up"]
        await until(lambda: daemon.ears[0].ended == ["the far end hung up"])
    assert daemon.callers[0].uri.startswith("sip:her@127.0.0.1")


async def test_the_server_hangs_up(tmp_path: Path) -> None:
    daemon, ear = Daemon(), Listener()
    async with serving(daemon, tmp_path) as server, user_agent() as agent:
        line = await call(agent, server)
        line.start(ear)
        await until(lambda: daemon.lines)
        await daemon.lines[0].hang_up("goodbye")
        await line.closed()
        assert ear.ended == ["the far end hung up (goodbye)"]
        with pytest.raises(CallEnded):
            await line.hold()


async def test_digits_by_info(tmp_path: Path) -> None:
    daemon = Daemon()
    async with serving(daemon, tmp_path) as server, user_agent() as agent:
        line = await call(agent, server)
        await until(lambda: daemon.ears)
        assert line._call is not None
        await line._call.info("application/dtmf-relay", b"Signal= 7\r\nDuration=160\r\n")
        await line._call.info("application/dtmf", b"#")
        assert daemon.ears[0].digits == "7#"
        await line.hang_up()


async def test_strangers_need_the_right_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    daemon = Daemon()
    password = AccountStore(tmp_path, "her-os").add("kitchen")
    async with serving(daemon, tmp_path, trusted=STRANGERS) as server, user_agent() as agent:
        for credentials in (None, Credentials("kitchen", "wrong"), Credentials("nobody", password)):
            with pytest.raises(CallRefused) as caught:
                await call(agent, server, credentials)
            assert caught.value.status == 401
            assert "her-os phone" in caught.value.reason
        assert daemon.lines == []
        line = await call(agent, server, Credentials("kitchen", password))
        assert daemon.callers[-1].account == "kitchen"
        await line.hang_up()
    assert "refused INVITE from 127.0.0.1: wrong name or password; compare them with `her-os phone list`" in caplog.text
    assert password not in caplog.text
    assert "Digest" not in caplog.text


async def test_the_allowlist(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    daemon, accounts = Daemon(), AccountStore(tmp_path, "her-os")
    kitchen, hall = Credentials("kitchen", accounts.add("kitchen")), Credentials("hall", accounts.add("hall"))
    async with serving(daemon, tmp_path, trusted=STRANGERS, allowlist=("hall",)) as server, user_agent() as agent:
        with pytest.raises(CallRefused) as caught:
            await call(agent, server, kitchen)
        assert (caught.value.status, caught.value.phrase) == (
            403,
            "Forbidden: account kitchen is not in phone.allowlist",
        )
        assert "add it there and restart" in caught.value.reason
        with pytest.raises(CallRefused):
            await agent.register(target(server), kitchen)
        assert await agent.register(target(server), hall) == 300
        assert server.registrar.accounts() == ["hall"]
        assert await agent.register(target(server), hall, expires_s=0) == 0
        assert server.registrar.accounts() == []
    assert "kitchen is not in phone.allowlist; add it there and restart" in caplog.text


async def test_an_account_added_later_and_one_removed(tmp_path: Path) -> None:
    daemon, accounts = Daemon(), AccountStore(tmp_path, "her-os")
    async with serving(daemon, tmp_path, trusted=STRANGERS) as server, user_agent() as agent:
        credentials = Credentials("late", accounts.add("late"))
        assert await agent.register(target(server), credentials) == 300
        accounts.remove("late")
        with pytest.raises(CallRefused):
            await agent.register(target(server), credentials)


async def test_admit_refuses_with_a_reason(tmp_path: Path) -> None:
    daemon = Daemon()
    daemon.refusal = Refusal(486, "2 calls are up, no more")
    async with serving(daemon, tmp_path) as server, user_agent() as agent:
        with pytest.raises(CallRefused) as caught:
            await call(agent, server)
        assert (caught.value.status, caught.value.reason) == (486, "2 calls are up, no more")


async def test_no_common_codec_and_no_media_port(tmp_path: Path) -> None:
    daemon = Daemon()
    async with serving(daemon, tmp_path, codecs=("PCMA",)) as server, user_agent() as agent:
        with pytest.raises(CallRefused) as caught:
            await call(agent, server, codecs=("G722",))
        assert caught.value.status == 488
        assert "PCMA" in caught.value.reason
    assert daemon.lines == []


async def test_cancel_while_it_rings_reaches_the_daemon(tmp_path: Path) -> None:
    daemon = Daemon()
    outcome: list[str] = []

    async def on_call(line: SipLine) -> None:
        daemon.lines.append(line)
        outcome.append(await line.wait_ended())
        await line.answer()

    async with serving(daemon, tmp_path, on_call=on_call) as server, user_agent() as agent:
        ringing = asyncio.Event()
        task = asyncio.create_task(call(agent, server, on_progress=lambda _: ringing.set()))
        await ringing.wait()
        await until(lambda: daemon.lines)
        task.cancel()
        await asyncio.wait({task})
        await until(lambda: outcome)
    assert outcome == ["the caller cancelled"]


async def test_a_daemon_that_fails_hangs_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    daemon, ear = Daemon(), Listener()

    async def on_call(line: SipLine) -> None:
        await line.answer()
        await asyncio.sleep(0.1)
        raise ValueError("a bug")

    async with serving(daemon, tmp_path, on_call=on_call) as server, user_agent() as agent:
        line = await call(agent, server)
        line.start(ear)
        await until(lambda: ear.ended)
        await line.closed()
    assert "a bug" in caplog.text


async def test_a_daemon_that_returns_without_answering_declines(tmp_path: Path) -> None:
    async def on_call(line: SipLine) -> None: ...

    async with serving(Daemon(), tmp_path, on_call=on_call) as server, user_agent() as agent:
        with pytest.raises(CallRefused) as caught:
            await call(agent, server)
        assert caught.value.status == 480


async def test_stop_says_bye_and_refuses_new_calls(tmp_path: Path) -> None:
    daemon, ear = Daemon(), Listener()
    async with user_agent() as agent:
        async with serving(daemon, tmp_path) as server:
            line = await call(agent, server)
            line.start(ear)
            await until(lambda: daemon.lines)
        await line.closed()
        assert ear.ended == ["the far end hung up (we are shutting down)"]
        assert daemon.ears[0].ended == ["we are shutting down"]


async def test_a_listener_that_comes_too_late_hears_the_end(tmp_path: Path) -> None:
    daemon, ear = Daemon(), Listener()
    async with serving(daemon, tmp_path) as server, user_agent() as agent:
        line = await call(agent, server)
        await line.hang_up("over")
        line.start(ear)
        await until(lambda: ear.ended == ["over"])


async def test_a_phone_that_lost_its_power(tmp_path: Path) -> None:
    daemon = Daemon()
    async with serving(daemon, tmp_path, silence_s=0.2) as server, raw_peer(server.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        await peer.response(100)
        await peer.response(180)
        await peer.response(200)
        peer.send(peer.request("ACK"))
        await until(lambda: daemon.ears and daemon.ears[0].ended)
        assert daemon.ears[0].ended == ["the far end is gone"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProtocolError("no SIP"), "the far end could not be asked: no SIP"),
        (ValueError("a bug"), "was no longer watched"),
        (CallEnded("the caller hung up"), ""),
    ],
)
async def test_a_far_end_that_cannot_be_asked_is_told_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    daemon, asked = Daemon(), list[str]()

    async def probe(line: SipLine) -> bool:
        asked.append(line.call_id)
        raise error

    monkeypatch.setattr(SipLine, "probe", probe)
    async with serving(daemon, tmp_path, silence_s=0.02) as server, raw_peer(server.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        for status in (100, 180, 200):
            await peer.response(status)
        peer.send(peer.request("ACK"))
        await until(lambda: len(asked) > isinstance(error, ProtocolError))
        peer.send(peer.request("BYE", cseq=2))
        await until(lambda: daemon.ears[0].ended)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told in "".join(warnings)
    assert bool(warnings) is bool(told)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"M\xfcller", "M\u00fcller"),
        ("M\u00fcller \u2603".encode(), "M\u00fcller \u2603"),
        (b"A\x00n\x1b[2Jn\x7fa\t", "An[2Jna"),
        ("A\u202e\u200bnna".encode(), "Anna"),
        (b"\xed\xa0\x80x", "\u00edx"),
    ],
)
async def test_a_callers_name_and_address_are_readable_text(tmp_path: Path, sent: bytes, shown: str) -> None:
    daemon = Daemon()
    async with serving(daemon, tmp_path) as server, raw_peer(server.port) as peer:
        head, _, tail = peer.request("INVITE", body=OFFER).encode().partition(b'"Raw; Peer" <sip:raw@')
        peer.send(head + b'"' + sent + b'" <sip:' + sent.replace(b"\t", b"").replace(b" ", b"") + b"@" + tail)
        await peer.response(100)
        await until(lambda: daemon.callers)
        (caller,) = daemon.callers
        assert caller.display_name == shown
        assert caller.uri == f"sip:{shown.replace(' ', '')}@127.0.0.1"
        caller.display_name.encode()


async def test_who_calls_is_left_to_the_phone_loop_to_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(Daemon(), tmp_path) as server, user_agent() as agent:
        await (await call(agent, server)).hang_up()
    assert "rings, by way of 127.0.0.1:" in caplog.text
    assert " from sip:" not in caplog.text


async def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    async with serving(Daemon(), tmp_path) as server:
        phone = Phone(sip_host="127.0.0.1", sip_port=server.port)
        second = SipServer(phone, AccountStore(tmp_path, "her-os"), Daemon().on_call)
        with pytest.raises(ConfigError, match="cannot listen") as caught:
            await second.start()
        assert caught.value.field == "phone.sip_port"
        await second.stop()


async def test_an_address_that_is_not_ours_is_a_mistake_of_the_host(tmp_path: Path) -> None:
    server = SipServer(Phone(sip_host="240.0.0.1"), AccountStore(tmp_path, "her-os"), Daemon().on_call)
    with pytest.raises(ConfigError, match="expected an address of this machine") as caught:
        await server.start()
    assert caught.value.field == "phone.sip_host"
    await server.stop()


async def test_the_advertised_address(tmp_path: Path) -> None:
    daemon = Daemon()
    async with serving(daemon, tmp_path, advertised_host="203.0.113.5") as server:
        assert server.agent.signalling.local_host("192.0.2.1") == "203.0.113.5"
        assert server.agent.signalling.local_host("127.0.0.1") == "127.0.0.1"
