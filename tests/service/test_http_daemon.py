"""The life of a daemon: gate, READY, signals, exit status; and who may talk to it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from her_os.contracts.errors import HerOsError
from her_os.service.auth import auth_middleware, is_loopback, tokens_match
from her_os.service.health_probe import ask_health
from her_os.service.http_daemon import HttpDaemon
from her_os.service.notify_listener import NotifyListener
from her_os.service.websocket_auth import authenticate
from tests.fakes.http_daemon import TOKEN, daemon

ROOT = Path(__file__).resolve().parents[2]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def serving(it: HttpDaemon) -> AsyncIterator[HttpDaemon]:
    running = asyncio.create_task(it.run())
    try:
        while it.port == 0:
            await asyncio.sleep(0.01)
        yield it
    finally:
        it.stop.set()
        assert await running == 0


async def get(it: HttpDaemon, path: str, headers: dict[str, str] | None = None) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{it.port}{path}", headers=headers) as response,
    ):
        await response.read()
        return response.status


async def test_health_is_503_until_loaded_and_the_gate_opens_then() -> None:
    async with serving(daemon("slow", [])) as it:
        assert await get(it, "/health") == 503
        assert not (await ask_health("127.0.0.1", it.port)).ready
    async with serving(daemon("good", [])) as it:
        await it.readiness.wait()
        assert await get(it, "/health") == 200
        health = await ask_health("127.0.0.1", it.port)
        assert (health.ready, health.detail) == (True, "warm")
        assert await get(it, "/metrics") == 200
        it.alive = lambda: False
        assert await get(it, "/health") == 503, "a stuck daemon is not healthy"


async def test_a_stop_closes_what_the_daemon_held_even_while_loading() -> None:
    for behaviour in ("good", "slow"):
        closed: list[str] = []
        async with serving(daemon(behaviour, closed)):
            pass
        assert closed == ["closed"]


async def test_a_port_that_is_taken_is_one_clear_error() -> None:
    async with serving(daemon("good", [])) as it:
        second = daemon("good", [])
        second.port = it.port
        with pytest.raises(HerOsError, match=f"her-os-test cannot listen on 127.0.0.1:{it.port}"):
            await second.run()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/health", {}, 200),
        ("/metrics", {}, 200),
        ("/secret", BEARER, 200),
        ("/secret", {"Authorization": f"bearer {TOKEN}"}, 200),
        ("/secret", {}, 401),
        ("/secret", {"Authorization": "Bearer wrong"}, 401),
        ("/secret", {"Authorization": "Bearer "}, 401),
        ("/secret", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("/secret", {"Authorization": "Bearer \udcff\udcfe"}, 401),
        ("/nowhere", {}, 401),
        ("/nowhere", BEARER, 404),
        ("/socket", {}, 200),
        ("/secret", {**BEARER, "Host": "evil.example"}, 403),
        ("/health", {"Host": "evil.example:80"}, 403),
        ("/socket", {"Host": "evil.example"}, 403),
        ("/secret", {**BEARER, "Origin": "https://evil.example"}, 403),
        ("/socket", {"Origin": "https://evil.example"}, 403),
        ("/socket", {"Origin": "null"}, 403),
        ("/socket", {"Origin": "http://localhost:3000"}, 200),
        ("/secret", {**BEARER, "Host": "[::1]:80"}, 200),
        ("/secret", {**BEARER, "Host": "[broken"}, 403),
    ],
)
async def test_who_may_ask_for_what(path: str, headers: dict[str, str], status: int) -> None:
    async with serving(daemon("good", [])) as it:
        await it.readiness.wait()
        assert await _raw_status(it.port, path, {"Host": "127.0.0.1", **headers}) == status


async def _raw_status(port: int, path: str, headers: dict[str, str]) -> int:
    """Odd bytes in headers, which a well-behaved client would refuse to send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1])


def test_an_empty_token_is_refused_and_matches_nothing() -> None:
    with pytest.raises(ValueError, match="without a token"):
        auth_middleware("", host="127.0.0.1")
    assert not tokens_match("", "")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True)]
    + [(other, False) for other in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "", None, "localhost")],
)
def test_loopback(address: str | None, loopback: bool) -> None:
    assert is_loopback(address) is loopback


@pytest.mark.parametrize(("behaviour", "status"), [("config", 78), ("engine", 1)])
def test_a_failure_the_operator_can_mend_is_one_line(behaviour: str, status: int) -> None:
    result = _run(behaviour)
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    assert "TEST     ERROR = " in result.stderr
    assert "CLOSED" in result.stderr


def test_a_bug_keeps_its_traceback() -> None:
    result = _run("bug")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


def _run(behaviour: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fakes.http_daemon", behaviour]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("behaviour", ["good", "slow"])
async def test_a_real_process_says_ready_and_ends_on_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, number: signal.Signals
) -> None:
    listener = NotifyListener(tmp_path / "n.sock")
    listener.open()
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.http_daemon", behaviour, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            while not (listener.watchdogs and (listener.ready or behaviour == "slow")):
                await asyncio.sleep(0.01)
            process.send_signal(number)
            _, errors = await process.communicate()
    finally:
        listener.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"CLOSED" in errors
    assert b"Traceback" not in errors


async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    if await authenticate(socket, TOKEN, timeout_s=0.2):
        await socket.send_str("welcome")
        await socket.close()
    return socket


@pytest.mark.parametrize(
    ("first", "welcome"),
    [
        (f'{{"type":"auth","token":"{TOKEN}"}}', True),
        ('{"type":"auth","token":"wrong"}', False),
        ('{"type":"auth","token":""}', False),
        (f'{{"type":"start","token":"{TOKEN}"}}', False),
        ("not json", False),
        (b"\x00\x01", False),
        (None, False),
    ],
)
async def test_websocket_auth_is_the_first_message(first: str | bytes | None, welcome: bool) -> None:
    it = daemon("good", [])
    it.routes = [web.get("/socket", _socket)]
    async with (
        serving(it),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{it.port}/socket") as socket,
    ):
        if isinstance(first, str):
            await socket.send_str(first)
        elif first is not None:
            await socket.send_bytes(first)
        answer = await socket.receive()
        assert (answer.type is aiohttp.WSMsgType.TEXT) is welcome
        if not welcome:
            assert socket.close_code == 1008
