"""How the loader sees whether a service is ready and healthy, as its `readiness:` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from her_os.daemons.family import Endpoint
from her_os.service.grpc_health import is_serving
from her_os.service.health_probe import ask_health, reachable_host
from her_os.service.readiness_probe import accepts_tcp, answers_http
from her_os.settings.loader_schema import GrpcReadiness, HttpReadiness, NotifyReadiness, Readiness, TcpReadiness

Probe = Callable[[], Awaitable[bool]]


def readiness_probe(readiness: Readiness, endpoint: Endpoint, has_notified: Callable[[], bool]) -> Probe:
    """Whether the service is ready now."""

    async def notified() -> bool:
        return has_notified()

    return notified if isinstance(readiness, NotifyReadiness) else _network_probe(readiness, endpoint)


def health_probe(readiness: Readiness, endpoint: Endpoint, timeout_s: float) -> Probe:
    """Whether the service answers: what it is asked for readiness, or its own `/health` where it notifies."""

    async def healthy() -> bool:
        return endpoint.port == 0 or (await ask_health(endpoint.host, endpoint.port, timeout_s)).ready

    return healthy if isinstance(readiness, NotifyReadiness) else _network_probe(readiness, endpoint, timeout_s)


def _network_probe(
    readiness: HttpReadiness | TcpReadiness | GrpcReadiness, endpoint: Endpoint, timeout_s: float = 1.0
) -> Probe:
    host = reachable_host(endpoint.host)
    match readiness:
        case HttpReadiness(url=url, expect_code=code):
            name = f"[{host}]" if ":" in host else host
            url = url or f"http://{name}:{endpoint.port}/health"
            return lambda: answers_http(url, code, timeout_s)
        case TcpReadiness(host=other, port=port):
            return lambda: accepts_tcp(other or host, port or endpoint.port, timeout_s)
        case GrpcReadiness(target=target):
            parts = urlsplit(f"//{target}")
            return lambda: is_serving(parts.hostname or host, parts.port or endpoint.port, timeout_s)
