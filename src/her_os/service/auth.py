"""Who may talk to a daemon's HTTP port: Bearer tokens in constant time, Host and Origin checked.

`/health` and `/metrics` need no token, but answer loopback peers only. WebSocket routes authenticate by
their first message instead (`her_os.service.websocket_auth`): name them in `websocket_paths`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from aiohttp import web

OPEN_ON_LOOPBACK = ("/health", "/metrics")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def tokens_match(given: str, expected: str) -> bool:
    """Constant-time comparison. An empty expected token matches nothing."""
    odd = "surrogatepass"  # a header may hold bytes that are not UTF-8
    return bool(expected) and hmac.compare_digest(given.encode(errors=odd), expected.encode(errors=odd))


def is_loopback(address: str | None) -> bool:
    """Whether an IP address text is loopback (IPv4, IPv6, or IPv4 in IPv6)."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def auth_middleware(token: str, *, host: str, websocket_paths: Collection[str] = ()):
    """An aiohttp middleware that refuses strangers with 401 or 403."""
    if not token:
        raise ValueError("a daemon refuses to start without a token")
    allowed_hosts = {"localhost", "127.0.0.1", "::1", host}

    def refuse_foreign_names(request: web.Request) -> None:
        """DNS rebinding and cross-site requests arrive with a foreign Host or Origin."""
        wildcard = host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        if not wildcard and _hostname(f"//{request.host}") not in allowed_hosts:
            raise web.HTTPForbidden(text="unknown Host header")
        origin = request.headers.get("Origin")
        if origin is not None and _hostname(origin) not in allowed_hosts:
            raise web.HTTPForbidden(text="cross-site request refused")

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        refuse_foreign_names(request)
        if request.path in OPEN_ON_LOOPBACK and is_loopback(request.remote):
            return await handler(request)
        if request.path in websocket_paths:
            return await handler(request)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not tokens_match(given.strip(), token):
            raise web.HTTPUnauthorized(text="a Bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return check


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
