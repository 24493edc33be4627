"""Calls and registrations by TCP and TLS: the same calls, on connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest
import trustme

from her_os.contracts.errors import CallEnded, ConfigError
from her_os.settings.schema import Phone
from her_os.telephony.sip import stream_transport
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.errors import RequestTimeout
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import StreamAddress
from her_os.telephony.sip_line import SipLine, place_call
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener
from tests.ports import free_port
from tests.telephony.sip.agents import FAST, user_agent
from tests.telephony.sip.raw_peer import OFFER
from tests.telephony.sip.test_sip_server import PORTS, Daemon, serving
from tests.waiting import until


def tls(folder: Path, authority: trustme.CA) -> dict[str, object]:
    """Settings of a server that proves itself."""
    file = folder / "certificate.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))
    return {"sip_tls_port": free_port(), "sip_tls_certificate": str(file)}


def target(server: SipServer, protocol: str) -> str:
    return f"sip:her@127.0.0.1:{server.agent.signalling.streams.ports[protocol]};transport={protocol}"


async def call(agent: UserAgent, server: SipServer, protocol: str) -> SipLine:
    return await place_call(agent, target(server, protocol), PORTS, bind_host="127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
@pytest.mark.parametrize("who", ["caller", "house"])
async def test_a_call_with_hold_from_beginning_to_end(
    tmp_path: Path, protocol: str, who: str, authority: trustme.CA
) -> None:
    daemon, ear = Daemon(), Listener()
    async with serving(daemon, tmp_path, **tls(tmp_path, authority)) as server, user_agent() as agent:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        agent.signalling.streams.client_tls = stream_transport.client_context(str(tmp_path / "ca.pem"))
        line = await call(agent, server, protocol)
        line.start(ear)
        await until(lambda: daemon.ears and len(daemon.ears[0].frames) > 5 and len(ear.frames) > 5)
        await daemon.lines[0].hold()
        await daemon.lines[0].resume()
        assert ear.holds == [True, False]
        await (line if who == "caller" else daemon.lines[0]).hang_up()
        await until(lambda: daemon.ears[0].ended and ear.ended)
        await line.hang_up()  # over already: waits until its sound has stopped
        assert {*daemon.ears[0].ended, *ear.ended} == {"we hung up", "the far end hung up"}


async def test_a_server_that_cannot_prove_itself_is_not_called(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Daemon(), tmp_path, **tls(tmp_path, authority)) as server, user_agent() as agent:
        with pytest.raises((RequestTimeout, CallEnded)):
            await call(agent, server, "tls")
    assert "cannot connect" in caplog.text


async def raw_connection(server: SipServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.agent.signalling.streams.ports["tcp"])


def request(method: str, port: int, body: str = "") -> bytes:
    return (
        f"{method} sip:her@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bKx{method}\r\n"
        f"From: <sip:raw@127.0.0.1>;tag=1\r\nTo: <sip:her@127.0.0.1>\r\nCall-ID: raw\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:raw@127.0.0.1:{port};transport=tcp>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def test_answers_come_back_on_the_connection_whatever_via_says(tmp_path: Path) -> None:
    async with serving(Daemon(), tmp_path) as server:
        reader, writer = await raw_connection(server)
        writer.write(b"\r\n\r\n" + request("OPTIONS", 9))
        assert await reader.readexactly(2) == b"\r\n", "we are still there"
        assert (await reader.readline()).startswith(b"SIP/2.0 200")
        writer.close()


async def test_a_refusal_is_sent_once_on_a_connection(tmp_path: Path) -> None:
    """What a datagram may lose, a connection repeats by itself."""
    async with serving(Daemon(), tmp_path) as server:
        reader, writer = await raw_connection(server)
        writer.write(request("INVITE", 9, OFFER.replace("m=audio", "m=video")))
        await asyncio.sleep(10 * FAST.t1)
        writer.write_eof()
        await asyncio.sleep(0)
        await server.stop()
        assert (await reader.read()).count(b"SIP/2.0 488") == 1
        writer.close()


async def test_who_says_nothing_or_nonsense_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_transport, "FIRST_MESSAGE_S", 0.05)
    async with serving(Daemon(), tmp_path) as server:
        silent, silent_writer = await raw_connection(server)
        mad, mad_writer = await raw_connection(server)
        mad_writer.write(b"x" * 20_000)
        async with asyncio.timeout(10):
            assert await silent.read() == b""
            with contextlib.suppress(ConnectionResetError):
                assert await mad.read() == b""
        silent_writer.close()
        mad_writer.close()


async def test_one_host_cannot_take_all_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_transport, "MAX_A_HOST", 2)
    async with serving(Daemon(), tmp_path) as server:
        writers = [(await raw_connection(server))[1] for _ in range(3)]
        await until(lambda: "too many" in caplog.text)
        for writer in writers:
            writer.close()
        await until(lambda: not server.agent.signalling.streams._connections)
        writers[0] = (await raw_connection(server))[1]
        await until(lambda: len(server.agent.signalling.streams._connections) == 1)
        writers[0].close()


async def test_a_caller_whose_connection_broke_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = Daemon()
    caplog.set_level(logging.INFO)
    async with serving(daemon, tmp_path) as server:
        _, writer = await raw_connection(server)
        writer.write(request("INVITE", 9, OFFER))
        await until(lambda: daemon.lines)
        writer.transport.abort()
        await until(lambda: not server.agent.calls, 10)


def test_a_plain_address_and_a_connected_one_are_told_apart():
    connected = StreamAddress("192.0.2.1", 5060, "tcp")
    assert connected == ("192.0.2.1", 5060)
    assert (connected.protocol, connected.name) == ("tcp", "192.0.2.1")


@pytest.mark.parametrize("text", ["", "not a certificate"])
async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "certificate.pem"
    if text:
        file.write_text(text)
    phone = Phone(sip_host="127.0.0.1", sip_port=0, sip_tls_port=free_port(), sip_tls_certificate=str(file))
    with pytest.raises(ConfigError, match=r"certificate\.pem") as caught:
        await SipServer(phone, AccountStore(tmp_path, "her-os"), Daemon().on_call).start()
    assert caught.value.field == "phone.sip_tls_certificate"
