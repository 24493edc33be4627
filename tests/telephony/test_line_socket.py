"""The line WebSocket beyond what every line does: who may come in, in what order, and what is reported as played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from her_os.contracts.errors import CapacityError
from her_os.daemons.line_socket import LineSocket
from her_os.telephony.line_socket.line import SocketLine
from her_os.telephony.line_socket.playout import ReportedPlayout
from tests.fakes.listener import Listener
from tests.telephony.lines.far_ends import TOKEN

AUTH = {"type": "auth", "token": TOKEN}
START = {"type": "start", "kind": "browser", "caller": "desk", "sample_rate": 48_000}


async def _hold(line: SocketLine) -> None:
    await line.answer()
    line.start(Listener())
    await line.wait_ended()


async def _busy(line: SocketLine) -> None:
    raise CapacityError("all lines are in use")


@asynccontextmanager
async def connected(hold=_hold) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:  # type: ignore[no-untyped-def]
    lines, app = LineSocket(hold, TOKEN), web.Application()
    app.add_routes([web.get("/v1/line", lines.handle)])
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url("/v1/line")) as socket,
    ):
        yield socket
        await lines.stop()


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(5):
        async for _ in socket:
            pass
    return socket.close_code


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "auth", "token": "wrong"}], 1008),
        ([START], 1008),
        ([AUTH, {"type": "start", "sample_rate": 44_100}], 1003),
        ([AUTH, {"type": "dtmf", "digits": "1"}], 1003),
    ],
)
async def test_who_may_come_in(messages: list[dict[str, object]], code: int) -> None:
    async with connected() as socket:
        for message in messages:
            await socket.send_json(message)
        assert await close_code(socket) == code


async def test_a_busy_house_says_so() -> None:
    async with connected(_busy) as socket:
        await socket.send_json(AUTH)
        await socket.send_json(START)
        assert await close_code(socket) == 1013


@pytest.mark.parametrize("nonsense", ["{", '{"type": "start"}', b"\0"])
async def test_nonsense_ends_the_call_only(nonsense: str | bytes) -> None:
    async with connected() as socket:
        await socket.send_json(AUTH)
        await socket.send_json(START)
        ready = await socket.receive_json(timeout=5)
        assert (ready["type"], ready["sample_rate"]) == ("ready", 48_000)
        await (socket.send_str(nonsense) if isinstance(nonsense, str) else socket.send_bytes(nonsense))
        assert await close_code(socket) == 1000


def play(playout: ReportedPlayout, frames: int) -> None:
    for _ in range(frames):
        playout.next_frame(0.0)


def test_what_a_flush_threw_away_was_not_said() -> None:
    flushes: list[int] = []
    playout = ReportedPlayout(lambda: flushes.append(1))
    playout.write(1, 0, b"\1\0" * 16_000)
    play(playout, 10)
    assert playout.sent_samples(1, 0) == 3_200, "a far end that never reports is taken to play at once"
    playout.flush(1)
    assert flushes == [1]
    playout.reported(1_600, 0.0, flush=True)
    assert playout.sent_samples(1, 0) == 1_600
    playout.write(2, 0, b"\1\0" * 320)
    play(playout, 1)
    playout.played_to_the_end((2, 0))
    assert playout.sent_samples(2, 0) == 320
    assert playout.sent_samples(1, 0) == 1_600, "for good"
    assert playout.total_samples == 3_520
