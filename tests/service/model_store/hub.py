"""A model hub on a real socket that can break off, lie, know no Range, and stop listening. In a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Serves `files` by path, each below `/owner/model/resolve/REVISION/`. Change the switches while it runs."""

    files: dict[str, bytes]
    cut_after: int = 0
    """Bytes of a body after which the connection is dropped, `cuts` times."""
    cuts: int = 0
    ranges: bool = True
    etags: bool = True
    heads: bool = True
    status: int = 0
    """Answer everything with it."""
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, Range."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked.append((request.method, path, request.headers.get("Range", "")))
        if self.status:
            return web.Response(status=self.status)
        if request.method == "HEAD" and not self.heads:
            return web.Response(status=405)
        if path not in self.files:
            return web.Response(status=404)
        body = self.files[path]
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"X-Repo-Commit": COMMIT, **({"ETag": etag} if self.etags else {})}
        start = self._start(request, etag)
        if start > len(body):
            return web.Response(status=416)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.content_length = len(body) - start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if self.cuts:
            self.cuts -= 1
            await response.write(body[start : start + self.cut_after])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body[start:])
        return response

    def _start(self, request: web.Request, etag: str) -> int:
        wanted, promise = request.headers.get("Range", ""), request.headers.get("If-Range", etag)
        if not (self.ranges and wanted and promise == etag):
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve until the end of the block."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/owner/model/resolve/{revision}/{path:.*}", hub.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hub.port = runner.addresses[0][1]
        return runner

    def run() -> None:
        runner = loop.run_until_complete(serve())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield hub
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
