"""Is a service ready? Asked over HTTP, TCP or gRPC. Never raises for a service that is down or answers oddly."""

from __future__ import annotations

import asyncio

import aiohttp

_TIMEOUT_S = 1.0


async def answers_http(url: str, expect_code: int, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether a GET is answered with the expected status; redirects are not followed."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession() as session,
            session.get(url, allow_redirects=False) as response,
        ):
            return response.status == expect_code
    except (aiohttp.ClientError, OSError, ValueError):  # TimeoutError is an OSError
        return False


async def accepts_tcp(host: str, port: int, timeout_s: float = _TIMEOUT_S) -> bool:
    """Whether a TCP connection is accepted."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
