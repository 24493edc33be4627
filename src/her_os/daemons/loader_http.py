"""The loader's HTTP API: its state, restarts, logs. Bearer token as everywhere; `/health` and `/metrics` on loopback.

`GET /v1/status`, `GET /v1/vram`, `GET /v1/logs/NAME?lines=N`, `POST /v1/restart/NAME`, `POST /v1/start`,
`POST /v1/stop`. Errors are `{"error": {"code", "message"}}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from her_os.contracts.errors import HerOsError
from her_os.contracts.service_state import LoaderState
from her_os.daemons.loader_metrics import LoaderMetrics
from her_os.loader.loader_service import LoaderService
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)
_STATUS_OF = {"unknown_service": 404, "not_ready": 409, "illegal_transition": 409, "not_allowed": 403}
_MOST_LINES = 1000
Handler = Callable[[web.Request], Awaitable[web.Response]]


class NotAllowed(HerOsError):
    """What was asked for is not the loader's to do."""

    code = "not_allowed"


class Logs(Protocol):
    """The last lines of a service."""

    async def tail(self, name: str, lines: int) -> list[str]: ...


class LoaderHttp:
    """Routes over one LoaderService. `may_start_and_stop` is false where systemd does that."""

    def __init__(self, loader: LoaderService, logs: Logs, *, may_start_and_stop: bool) -> None:
        self._loader, self._logs, self._may_start_and_stop = loader, logs, may_start_and_stop
        self._starting: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", _errors(self._status)),
            web.get("/v1/vram", _errors(self._vram)),
            web.get("/v1/logs/{name}", _errors(self._tail)),
            web.post("/v1/restart/{name}", _errors(self._restart)),
            web.post("/v1/start", _errors(self._start)),
            web.post("/v1/stop", _errors(self._stop)),
        ]

    async def close(self) -> None:
        """End what a request has begun."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(self._loader.status())

    async def _vram(self, _request: web.Request) -> web.Response:
        return _json(await self._loader.vram_snapshot())

    async def _tail(self, request: web.Request) -> web.Response:
        name, text = request.match_info["name"], request.query.get("lines", "100")
        known = [service.name for service in self._loader.status().services]
        if name not in known:
            raise web.HTTPNotFound(text=f"there is no service {name!r}; known: {', '.join(known)}")
        if not text.isascii() or not text.isdecimal():
            raise web.HTTPBadRequest(text="lines must be a whole number")
        return _json({"lines": await self._logs.tail(name, min(int(text), _MOST_LINES))})

    async def _restart(self, request: web.Request) -> web.Response:
        return _json(await self._loader.restart_service(request.match_info["name"]))

    async def _start(self, _request: web.Request) -> web.Response:
        """Begin to start everything again, after a stop; the status tells how it goes."""
        self._check_may()
        if self._loader.state is not LoaderState.STOPPED:
            return _error(409, "not_ready", f"the loader is {self._loader.state}; only what is STOPPED can be started")
        self._starting = asyncio.create_task(self._start_again(), name="start over HTTP")
        await asyncio.sleep(0)
        return _json(self._loader.status(), status=202)

    async def _start_again(self) -> None:
        """A start that fails leaves nothing half up."""
        try:
            await self._loader.start_all()
        except HerOsError as error:
            log.error("%s", error)  # noqa: TRY400 - the operator needs the message, not our stack
            await self._loader.stop_all()

    async def _stop(self, _request: web.Request) -> web.Response:
        self._check_may()
        await self._loader.stop_all()
        return _json(self._loader.status())

    def _check_may(self) -> None:
        if not self._may_start_and_stop:
            raise NotAllowed("systemd starts and stops the daemons: systemctl start her-os.target")


def loader_daemon(
    settings: Settings,
    secrets: Secrets,
    loader: LoaderService,
    http: LoaderHttp,
    *,
    load: Callable[[], Awaitable[str | None]],
    close: Callable[[], Awaitable[None]],
    alive: Callable[[], bool] = lambda: True,
) -> HttpDaemon:
    """The loader's own port."""
    registry = CollectorRegistry()
    LoaderMetrics(loader.status, registry)
    return HttpDaemon(
        name="her-os-loader",
        host=settings.loader.host,
        port=settings.loader.port,
        token=secrets.loader_token,
        routes=http.routes(),
        load=load,
        close=close,
        alive=alive,
        metrics=registry,
    )


def _errors(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except HerOsError as error:
            return _error(_STATUS_OF.get(error.code, 500), error.code, str(error))

    return answer


def _error(status: int, code: str, message: str) -> web.Response:
    return _json({"error": {"code": code, "message": message}}, status=status)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
