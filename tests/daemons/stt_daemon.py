"""A speech-to-text daemon on a real socket, in the test's own process, with an engine that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from her_os.contracts.speech_to_text import (
    Auth,
    ClientMessage,
    ErrorMessage,
    Partial,
    Ready,
    ServerMessage,
    SpeechToTextEngine,
    Start,
)
from her_os.daemons.stt import build
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings
from her_os.settings.schema import Phone, SpeechToText
from tests.waiting import until

TOKEN = "a-token-for-the-ears"


@dataclass
class Closed:
    """How the server ended a socket."""

    code: int | None


class EarsSocket:
    """The client's end of one connection, frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket

    async def send(self, message: ClientMessage) -> None:
        await self.raw.send_str(msgspec.json.encode(message).decode())

    async def receive(self) -> ServerMessage | Closed:
        async with asyncio.timeout(20):
            message = await self.raw.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return msgspec.json.decode(message.data, type=ServerMessage)
        return Closed(self.raw.close_code)

    async def until(self, kind: type[Any]) -> Any:
        """The next message of a kind; partials on the way are skipped."""
        while not isinstance(message := await self.receive(), kind):
            assert isinstance(message, Partial | ErrorMessage), message
        return message

    async def start(self, session_id: str = "call-1") -> Ready:
        await self.send(Auth(TOKEN))
        await self.send(Start(session_id))
        return await self.until(Ready)

    def reset(self) -> None:
        """Go away as a crashed client does: no close frame."""
        transport = self.raw._writer.transport
        assert transport is not None
        transport.abort()


@dataclass
class RunningEars:
    daemon: HttpDaemon
    http: aiohttp.ClientSession

    @property
    def settings(self) -> SpeechToText:
        return SpeechToText(port=self.daemon.port, reopen_grace_ms=20)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[EarsSocket]:
        async with self.http.ws_connect(f"http://127.0.0.1:{self.daemon.port}/v1/stream") as raw:
            yield EarsSocket(raw)

    def metric(self, name: str, **labels: str) -> float:
        return self.daemon.metrics.get_sample_value(name, labels) or 0.0

    @property
    def held(self) -> float:
        return self.metric("her_os_stt_sessions")


@asynccontextmanager
async def running_ears(
    engine: SpeechToTextEngine,
    *,
    max_calls: int = 1,
    wait: bool = True,
    port: int = 0,
    max_message_bytes: int = 262_144,
) -> AsyncIterator[RunningEars]:
    stt = SpeechToText(port=port, max_message_bytes=max_message_bytes)
    secrets = Secrets(TOKEN, *["unused-here-but-long"] * 4)
    daemon = build(Settings(stt=stt, phone=Phone(max_calls=max_calls)), secrets, engine)
    task = asyncio.create_task(daemon.run(), name="daemon")
    try:
        await until(lambda: (daemon.port != 0 and (not wait or daemon.readiness.ready)) or task.done())
        async with aiohttp.ClientSession() as http:
            yield RunningEars(daemon, http)
    finally:
        daemon.stop.set()
        await asyncio.wait({task})
        task.result()
