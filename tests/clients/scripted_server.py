"""A server that answers what the test tells it to, piece by piece, and shows what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Scripted:
    """`pieces` are written in order to each connection, which is then closed (or held until its client leaves)."""

    pieces: Sequence[bytes]
    hold: bool = False
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            self._busy.discard(task)

    async def finished(self) -> None:
        """Wait for all connections to end."""
        while self._busy:
            await asyncio.wait(set(self._busy))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        length = int(head.lower().split("content-length:")[1].split()[0])
        if length:
            self.requests.append(json.loads(await reader.readexactly(length)))
        for piece in self.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if self.hold:
            assert await reader.read() == b""
            self.left.set()


@asynccontextmanager
async def scripted(pieces: Sequence[bytes], *, hold: bool = False) -> AsyncIterator[Scripted]:
    """Run a scripted server on a free port."""
    script = Scripted(pieces, hold)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        await server.wait_closed()
        await script.finished()


def chunk(body: bytes) -> bytes:
    """One chunk of chunked transfer encoding."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def answer(status: str, body: dict[str, Any]) -> bytes:
    """A whole JSON response."""
    raw = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw


def delta(**fields: Any) -> bytes:
    """An event with a delta of one choice."""
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


def event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def end(reason: str = "stop") -> bytes:
    """How llama-server ends a stream: reason, usage, [DONE]."""
    return (
        event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        + event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        + b"data: [DONE]\n\n"
    )
