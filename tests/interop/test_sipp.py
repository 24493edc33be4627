"""Calls with sipp: our own scenario files, so every header that matters is checked by another program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from her_os.settings.schema import Trunk
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.registration import RetryRules
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.trunks import Trunks
from her_os.telephony.sip.user_agent import UserAgent
from tests.interop.daemon import NOBODY, Daemon
from tests.interop.signals import Samples, arrived, pcm16, samples, speech_like
from tests.interop.sipp import SCENARIOS, run_sipp
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.interop, pytest.mark.skipif(not shutil.which("sipp"), reason="sipp is not installed")]
PORTS = PortPool(50_000, 54_999)
PAYLOAD_TYPES = {"G722": 9, "PCMU": 0, "PCMA": 8}


async def test_a_call_with_digits_by_info(tmp_path: Path) -> None:
    daemon = Daemon()
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, "call", server.port)
        await until(lambda: daemon.ended)
    assert daemon.ears[0].digits == "4#"
    assert daemon.lines[0].codec == "PCMA"


@pytest.mark.parametrize("scenario", ["call", "options", "late_offer", "busy"])
async def test_the_same_on_a_connection(tmp_path: Path, scenario: str) -> None:
    daemon = Daemon()
    daemon.refusal = Refusal(486, "2 calls are up") if scenario == "busy" else None
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, scenario, server.agent.signalling.streams.ports["tcp"], "-t", "t1")


@pytest.mark.parametrize("scenario", ["options", "late_ack", "late_offer", "require_100rel"])
async def test_signalling(tmp_path: Path, scenario: str) -> None:
    async with Daemon().serving(tmp_path) as server:
        await run_sipp(tmp_path, scenario, server.port)


async def test_cancel(tmp_path: Path) -> None:
    daemon = Daemon(answers=False)
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, "cancel", server.port)
        await until(lambda: daemon.ended)
    assert daemon.ended == ["the caller cancelled"]


async def test_hold_and_resume(tmp_path: Path) -> None:
    daemon = Daemon()
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, "hold", server.port)
        await until(lambda: daemon.ended)
    assert daemon.ears[0].holds == [True, False, True]


async def test_busy_with_a_reason(tmp_path: Path) -> None:
    daemon = Daemon()
    daemon.refusal = Refusal(486, "2 calls are up")
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, "busy", server.port)
    assert not daemon.lines


async def test_passwords(tmp_path: Path) -> None:
    daemon = Daemon()
    password = AccountStore(tmp_path, "her-os").add("kitchen")
    async with daemon.serving(tmp_path, trusted=NOBODY) as server:
        await run_sipp(tmp_path, "wrong_password", server.port, "-au", "kitchen", "-ap", "wrong")
        assert not daemon.lines
        await run_sipp(tmp_path, "call_with_password", server.port, "-au", "kitchen", "-ap", password)
        await run_sipp(tmp_path, "register", server.port, "-au", "kitchen", "-ap", password)
        assert server.registrar.accounts() == []
    assert daemon.lines[0].caller.account == "kitchen"


async def test_we_register_with_the_strongest_digest_it_offers_and_again_in_time(tmp_path: Path) -> None:
    port = free_port()
    agent = UserAgent()
    await agent.start("127.0.0.1", 0)
    pbx = Trunk(name="pbx", user="her", servers=(f"127.0.0.1:{port}",))
    rules = RetryRules(patience_s=1, retry_s=0.1, retry_max_s=0.2)
    trunks = Trunks(agent, [pbx], {"pbx": "secret"}, rules)
    trunks.start()
    try:
        await run_sipp(tmp_path, "registrar", agent.port, listen=port)
        await until(lambda: trunks.describe()["pbx"] == f"registered at 127.0.0.1:{port}")
    finally:
        await trunks.stop()
        await agent.stop()


@pytest.mark.parametrize("codec", PAYLOAD_TYPES)
async def test_media_of_another_encoder(tmp_path: Path, codec: str) -> None:
    signal, daemon = speech_like(4, seed=3), Daemon()
    (tmp_path / "upward.raw").write_bytes(encoded(codec, signal))
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, filled_in(tmp_path, "media", codec), server.port)
        await until(lambda: daemon.ended)
    assert daemon.lines[0].codec == codec
    assert arrived(signal, samples(bytes(daemon.ears[0].pcm))) > 0.99


@pytest.mark.parametrize("codec", PAYLOAD_TYPES)
async def test_what_we_send_comes_back_right(tmp_path: Path, codec: str) -> None:
    """Sipp decodes nothing; it returns our packets as they are, so both of our directions are in what we hear."""
    signal = speech_like(4, seed=5)
    daemon = Daemon(pcm16(signal))
    async with daemon.serving(tmp_path) as server:
        await run_sipp(tmp_path, filled_in(tmp_path, "echo", codec), server.port, "-rtp_echo")
        await until(lambda: daemon.ended)
    assert daemon.lines[0].codec == codec
    assert arrived(signal, samples(bytes(daemon.ears[0].pcm))) > 0.99


def filled_in(folder: Path, scenario: str, codec: str) -> str:
    """A copy of a scenario for one codec: sipp fills in no keyword of its own in `rtp_stream`."""
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    text = text.replace("PAYLOAD-TYPE", str(PAYLOAD_TYPES[codec])).replace("CODEC", codec)
    (folder / f"{scenario}.xml").write_text(text)
    return str(folder / scenario)


def encoded(codec: str, signal: Samples) -> bytes:
    """By the standard's definition or by ffmpeg: nothing shared with the codecs under test."""
    if codec == "PCMA":
        return alaw(signal[::2])
    if codec == "PCMU":
        return ulaw(signal[::2])
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg, the other encoder of G.722, is not installed")
    command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-"]
    return subprocess.run(command, input=pcm16(signal), stdout=subprocess.PIPE, check=True).stdout


def ulaw(signal: Samples) -> bytes:
    """G.711 mu-law by the definition (ITU-T G.711, table 2a)."""
    magnitude = (np.clip(np.abs(signal), 0, 32_635).astype(int) >> 2) + 33
    segment = np.floor(np.log2(magnitude)).astype(int) - 5
    mantissa = (magnitude >> (segment + 1)) & 0x0F
    sign = np.where(signal >= 0, 0x00, 0x80)
    return (~(sign | segment << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()


def alaw(signal: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """G.711 A-law by the definition (ITU-T G.711, table 1a): nothing shared with the codec under test."""
    magnitude = np.clip(np.abs(signal), 0, 32_635).astype(int) >> 4
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(int) - 4, 0)
    mantissa = np.where(exponent > 0, magnitude >> np.maximum(exponent, 1) - 0, magnitude >> 1) & 0x0F
    segment = np.where(magnitude >= 32, exponent, 0)
    sign = np.where(signal >= 0, 0x80, 0x00)
    return ((sign | segment << 4 | mantissa) ^ 0x55).astype(np.uint8).tobytes()
