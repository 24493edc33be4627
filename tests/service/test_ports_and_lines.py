"""Whose port is it; one log of many processes; what a daemon's health says."""

from __future__ import annotations

import io
import os
import socket

import aiohttp.test_utils
import pytest
from aiohttp import web

from her_os.service.health_probe import ask_health
from her_os.service.line_sink import LineSink
from her_os.service.port_owner import Transport, find_port_owner, port_is_free, why_not_ours


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_taken_port_is_named_with_its_owner(transport: Transport) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if transport == "tcp":
            sock.listen()
        port: int = sock.getsockname()[1]
        assert not port_is_free("127.0.0.1", port, transport)
        owner = find_port_owner(port, transport)
        assert owner.pid == os.getpid()
        assert "python" in owner.command or "pytest" in owner.command
    assert port_is_free("127.0.0.1", port, transport)
    assert find_port_owner(port, transport).pid is None


def test_an_address_that_is_not_ours_is_left_to_the_daemon_s_own_message() -> None:
    assert port_is_free("192.0.2.200", 50000, "tcp")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_why_nothing_can_listen_on_an_address(transport: Transport) -> None:
    for ours in ("127.0.0.1", "0.0.0.0", "localhost"):
        assert why_not_ours(ours, transport) == ""
    assert "assign requested address" in why_not_ours("240.0.0.1", transport)


def test_a_sandbox_that_forbids_to_try_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert why_not_ours("127.0.0.1", "tcp") == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


OURS = "12:00:00.000 TTS      WARNING = slow"


def test_lines_keep_their_unit_and_strangers_get_one() -> None:
    stream = io.StringIO()
    sink = LineSink(stream, {})
    sink.line("tts", OURS)
    sink.line("tts", "TTS      INFO = under journald there is no time")
    sink.line("tts", "Traceback (most recent call last):")
    sink.line("llm", "srv  load_model: loading model\r")
    sink.line("llm", "")
    assert stream.getvalue().splitlines() == [
        OURS,
        "TTS      INFO = under journald there is no time",
        "TTS      | Traceback (most recent call last):",
        "LLM      | srv  load_model: loading model",
        "",
    ]


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream: io.StringIO, environ: dict[str, str], coloured: bool) -> None:
    LineSink(stream, environ).line("tts", OURS)
    assert stream.getvalue() == (f"\x1b[33m{OURS}\x1b[0m\n" if coloured else f"{OURS}\n")


@pytest.mark.parametrize(
    ("status", "body", "ready", "detail"),
    [
        (200, '{"status":"ready","detail":"2 voices"}', True, "2 voices"),
        (200, '{"status":"ok"}', True, "ok"),
        (503, '{"error":{"message":"Loading model"}}', False, "Loading model"),
        (500, "<html>", False, "HTTP 500"),
        (200, "[]", True, "HTTP 200"),
    ],
)
async def test_what_health_says(status: int, body: str, ready: bool, detail: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.add_routes([web.get("/health", answer)])
    async with aiohttp.test_utils.TestServer(app) as server:
        assert server.port is not None
        for host in ("127.0.0.1", "0.0.0.0"):
            health = await ask_health(host, server.port)
            assert (health.reachable, health.ready, health.detail) == (True, ready, detail)
    assert not (await ask_health("127.0.0.1", server.port)).reachable
