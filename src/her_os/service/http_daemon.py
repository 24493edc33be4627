"""The life of a daemon with an HTTP port: listen, load, open the gate, serve, stop on SIGTERM or SIGINT.

Order matters: the port answers `/health` with 503 at once (so a supervisor can tell "loading" from "dead"),
the load runs meanwhile, and READY=1 is sent when it is done. A load that fails ends the process with a
message, not a traceback, when the operator can mend it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from her_os.contracts.errors import HerOsError
from her_os.service.auth import auth_middleware
from her_os.service.held_start import is_held, wait_for_go
from her_os.service.memory import keep_what_is_loaded
from her_os.service.notify import sd_notify, watchdog_interval_s
from her_os.service.readiness import Readiness

log = logging.getLogger(__name__)


async def _nothing() -> None:
    """The default step of a daemon that has nothing to do there."""


@dataclass(kw_only=True)
class HttpDaemon:
    """One daemon. `load` makes it ready (slow work in an executor), `close` frees what it held.

    `alive` is asked before each watchdog feed and by `/health`: False (a stuck engine thread) lets systemd, or
    our own supervisor, restart us. `cancel_on_disconnect` cancels a handler whose client went away.
    """

    name: str
    host: str
    port: int
    token: str
    routes: Collection[web.RouteDef]
    websocket_paths: Collection[str] = ()
    load: Callable[[], Awaitable[str | None]]
    close: Callable[[], Awaitable[None]] = _nothing
    alive: Callable[[], bool] = lambda: True
    details: Callable[[], Mapping[str, object]] = dict
    """More that `/health` should say."""
    cancel_on_disconnect: bool = False
    loads_ahead: bool = False
    """Whether `load` may run before the port is bound, while the service before is still getting ready."""
    max_body_bytes: int = 1 << 20
    shutdown_s: float = 2.0
    readiness: Readiness = field(default_factory=Readiness)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loaded: str = ""

    async def run(self) -> int:
        """Serve until a signal or `stop`. Returns the exit status."""
        faulthandler.enable()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        try:
            if not await self._wait_for_its_turn():
                return 0
            async with self.listening():
                return await self._serve()
        finally:
            await self.close()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Answer on the port. For a process that has signal handlers of its own; `run` is for all others."""
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            shutdown_timeout=self.shutdown_s,
            handler_cancellation=self.cancel_on_disconnect,
        )
        await runner.setup()
        try:
            await self._listen(runner)
            yield
        finally:
            self.readiness.shut("stopping")
            sd_notify(STOPPING="1")
            await runner.cleanup()

    async def _wait_for_its_turn(self) -> bool:
        """Where a supervisor holds us: load first, if that may be done without our port. False: stopped meanwhile."""
        if not is_held():
            return True
        waiting = asyncio.create_task(self._prepare_and_wait(), name="held")
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
            return waiting.done()
        finally:
            for task in (waiting, stopping):
                task.cancel()
            await asyncio.wait({waiting, stopping})

    async def _prepare_and_wait(self) -> None:
        if self.loads_ahead:
            self._loaded = await self.load() or "ready"
        await wait_for_go()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError as error:
            raise HerOsError(
                f"{self.name} cannot listen on {self.host}:{self.port} ({error.strerror}); "
                "is another copy running, or the port taken?"
            ) from error
        if self.port == 0:
            self.port = runner.addresses[0][1]

    async def _serve(self) -> int:
        loading = asyncio.create_task(self._load(), name="load")
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        feeding = asyncio.create_task(self._feed_watchdog(), name="watchdog")
        try:
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                loading.result()
                await stopping
            return 0
        finally:
            for task in (loading, stopping, feeding):
                task.cancel()
            await asyncio.wait({loading, stopping, feeding})

    async def _load(self) -> None:
        status = self._loaded or await self.load() or "ready"
        keep_what_is_loaded()
        self.readiness.open(status)
        log.info("ready on %s:%d (%s)", self.host, self.port, self.readiness.status)

    async def _feed_watchdog(self) -> None:
        interval = watchdog_interval_s()
        while interval is not None:
            if self.alive():
                sd_notify(WATCHDOG="1")
            await asyncio.sleep(interval)

    def _application(self) -> web.Application:
        middleware = auth_middleware(self.token, host=self.host, websocket_paths=self.websocket_paths)
        app = web.Application(middlewares=[middleware], client_max_size=self.max_body_bytes)
        app.add_routes([web.get("/health", self._health), web.get("/metrics", self._metrics), *self.routes])
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        detail, ready = self.readiness.status, self.readiness.ready
        if ready and not self.alive():
            detail, ready = "stuck: no progress, restart it", False
        body = {"status": "ready" if ready else "not ready", "detail": detail, **self.details()}
        return web.json_response(body, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})


def run_daemon(main: Callable[[], Coroutine[None, None, int]]) -> int:
    """Run a daemon's main; a mistake the operator can mend ends in one clear line and status 78 (EX_CONFIG)."""
    try:
        return asyncio.run(main())
    except HerOsError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator needs the message, not our stack
        return 78 if error.code == "config" else 1
    except KeyboardInterrupt:
        return 130
