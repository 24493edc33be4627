"""Ask a daemon's `/health`: 200 is ready, 503 is loading, no answer is down."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Health:
    """What a daemon said of itself."""

    reachable: bool
    ready: bool
    detail: str

    @property
    def state(self) -> str:
        """In a word: `ready`, `not ready` or `down`."""
        return "ready" if self.ready else "not ready" if self.reachable else "down"


def reachable_host(bound: str) -> str:
    """The address on which something bound to `bound` can be asked from this machine."""
    return _WILDCARDS.get(bound, bound)


async def ask_health(host: str, port: int, timeout_s: float = 1.0) -> Health:
    """One question to `http://host:port/health`. Never raises for a daemon that is down or answers oddly."""
    host = reachable_host(host)
    name = f"[{host}]" if ":" in host else host
    try:
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession() as session,
            session.get(f"http://{name}:{port}/health") as response,
        ):
            text = await response.text()
            return Health(reachable=True, ready=response.status == 200, detail=_detail(text, response.status))
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
        return Health(reachable=False, ready=False, detail="no answer" if isinstance(error, TimeoutError) else "not up")


def _detail(text: str, status: int) -> str:
    """The readable part of an answer: ours has `detail`, llama-server's `status` or `error.message`."""
    try:
        body: Any = json.loads(text)
        found: Any = body.get("detail") or body.get("status") or body["error"]["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {status}"
    return str(found)
