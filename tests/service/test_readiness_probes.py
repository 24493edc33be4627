"""Ready over HTTP, TCP and gRPC; and files brought into memory."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp.test_utils
import pytest
from aiohttp import web

from her_os.daemons.family import Endpoint
from her_os.daemons.service_probes import health_probe, readiness_probe
from her_os.service.grpc_health import is_serving
from her_os.service.page_cache import touch_by_mapping, touch_by_reading
from her_os.service.readiness_probe import accepts_tcp, answers_http
from her_os.settings.loader_schema import GrpcReadiness, HttpReadiness, NotifyReadiness, TcpReadiness

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7


@asynccontextmanager
async def http_server(status: int) -> AsyncIterator[int]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="{}", headers={"Location": "/elsewhere"})

    app = web.Application()
    app.add_routes([web.get("/health", answer), web.get("/ready", answer)])
    async with aiohttp.test_utils.TestServer(app) as server:
        assert server.port is not None
        yield server.port


@asynccontextmanager
async def tcp_server(serve: Serve) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None] | None] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    head = await reader.readexactly(9)
    return head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))


def grpc_server(*answer: bytes) -> Serve:
    """Checks the request as a gRPC server would, then says what it is given."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        assert (await read_frame(reader))[0] == SETTINGS
        kind, flags, headers = await read_frame(reader)
        assert (kind, flags) == (HEADERS, 4)
        assert b"\x00\x05:path\x1c/grpc.health.v1.Health/Check" in headers
        assert b"\x00\x0ccontent-type\x10application/grpc" in headers
        assert await read_frame(reader) == (DATA, 1, b"\0\0\0\0\0")
        writer.write(frame(SETTINGS, 0, 0, b"") + frame(PING, 0, 0, b"12345678") + b"".join(answer))
        await writer.drain()
        await reader.read(100)

    return serve


def message(status: int) -> bytes:
    return b"\0\0\0\0\x02\x08" + bytes([status])


TRAILERS = frame(HEADERS, 5, 1, b"")


@pytest.mark.parametrize(
    ("answer", "serving"),
    [
        ((frame(HEADERS, 4, 1, b""), frame(DATA, 0, 1, message(1)), TRAILERS), True),
        ((frame(HEADERS, 4, 1, b""), frame(DATA, 8, 1, b"\x02" + message(1) + b"\0\0"), TRAILERS), True),
        ((frame(DATA, 0, 1, message(1)[:3]), frame(DATA, 1, 1, message(1)[3:])), True),
        ((frame(HEADERS, 4, 1, b""), frame(DATA, 0, 1, message(2)), TRAILERS), False),  # NOT_SERVING
        ((TRAILERS,), False),  # UNIMPLEMENTED, in the headers
        ((frame(RST_STREAM, 0, 1, b"\0\0\0\1"),), False),
        ((frame(GOAWAY, 0, 0, bytes(8)),), False),
        ((b"\xff\xff\xff\0\0\0\0\0\1",), False),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), False),
        ((), False),
    ],
)
async def test_grpc_health(answer: tuple[bytes, ...], serving: bool) -> None:
    async with tcp_server(grpc_server(*answer)) as port:
        assert await is_serving("127.0.0.1", port, 2.0 if answer else 0.1) is serving


async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(("status", "expected", "ready"), [(200, 200, True), (503, 200, False), (204, 204, True)])
async def test_http_is_ready_with_the_expected_status_only(status: int, expected: int, ready: bool) -> None:
    async with http_server(status) as port:
        assert await answers_http(f"http://127.0.0.1:{port}/health", expected) is ready
    assert not await answers_http(f"http://127.0.0.1:{port}/health", expected)
    assert not await answers_http("no url", expected)


async def test_a_redirect_is_not_followed() -> None:
    async with http_server(302) as port:
        assert not await answers_http(f"http://127.0.0.1:{port}/health", 200)
        assert await answers_http(f"http://127.0.0.1:{port}/health", 302)


async def test_tcp_is_ready_when_it_accepts() -> None:
    async with tcp_server(silence) as port:
        assert await accepts_tcp("127.0.0.1", port)
    assert not await accepts_tcp("127.0.0.1", port)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async with tcp_server(silence) as port:
        assert not await answers_http(f"http://127.0.0.1:{port}/health", 200, timeout_s=0.05)
        assert not await is_serving("127.0.0.1", port, timeout_s=0.05)


async def test_what_a_readiness_leaves_out_is_the_service_s_own_address() -> None:
    async with http_server(200) as http, tcp_server(grpc_server(frame(DATA, 1, 1, message(1)))) as grpc:
        here, there = Endpoint("x", "0.0.0.0", http, "tcp", "x.port"), Endpoint("x", "127.0.0.1", grpc, "tcp", "x.port")
        for readiness, endpoint in (
            (HttpReadiness(), here),
            (HttpReadiness(url=f"http://127.0.0.1:{http}/ready"), there),
            (TcpReadiness(), here),
            (TcpReadiness(host="127.0.0.1", port=http), there),
            (GrpcReadiness(), there),
            (GrpcReadiness(target=f"127.0.0.1:{grpc}"), here),
        ):
            assert await readiness_probe(readiness, endpoint, lambda: False)(), readiness
            assert await health_probe(readiness, endpoint, 1.0)(), readiness
        assert not await readiness_probe(NotifyReadiness(), here, lambda: False)()
        assert await readiness_probe(NotifyReadiness(), here, lambda: True)()
        assert await health_probe(NotifyReadiness(), here, 1.0)(), "one that notifies is asked on its own /health"


def test_files_are_read_into_memory_and_those_that_cannot_be_are_left_out(tmp_path: Path) -> None:
    model, empty = tmp_path / "model.gguf", tmp_path / "empty"
    model.write_bytes(bytes(10_000))
    empty.touch()
    files = [model, empty, tmp_path / "missing", tmp_path]
    assert touch_by_mapping(files) == 10_000
    assert touch_by_reading(files) == 10_000
