"""her-os-loader: the loader beside systemd. It observes the units, greets, measures, and answers on its port."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.daemons.family import Endpoint
from her_os.daemons.loader_http import LoaderHttp, loader_daemon
from her_os.daemons.loader_parts import boot_history, endpoints_by_name, make_boot, restart_policy, start_plan
from her_os.daemons.service_probes import health_probe
from her_os.daemons.warm_up import warm_up_of
from her_os.loader.loader_service import LoaderService
from her_os.loader.observed_service import ObservedService
from her_os.service.http_daemon import HttpDaemon
from her_os.service.install.layout import Layout, is_installed
from her_os.service.install.machine import stale_drop_ins
from her_os.service.systemd_units import SystemdUnits, run_program, unit_of
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)
SYSTEMD_ORDER = ("llm", "stt", "tts", "stt_batch", "kwd", "phone")
"""The order that the units give themselves."""
_SPAWNING_ONLY = (
    "loader.startup_sequence",
    "loader.shutdown_sequence",
    "loader.port_hygiene.unix_sockets",
    "loader.port_hygiene.pid_files",
    "loader.graceful_shutdown.per_service_grace_sec",
    "loader.prewarm_next_service",
    "loader.io_prewarm",
    *(f"services.{name}.prepare_async" for name in SYSTEMD_ORDER),
)
"""What systemd cannot be told. The other keys of spawning are in the drop-ins that `her-os install` writes."""


async def main(settings: Settings, secrets: Secrets) -> int:
    """Observe until a signal. Raises ConfigError for a setting that would not be honoured beside systemd."""
    refuse_spawning_only(settings)
    if is_installed():
        refuse_stale_drop_ins(settings, Layout())
    return await LoaderDaemon(settings, secrets).daemon.run()


def refuse_spawning_only(settings: Settings) -> None:
    """A key that would not be honoured here is refused by name."""
    for field in _SPAWNING_ONLY:
        value, default = settings, Settings()
        for name in field.split("."):
            value, default = getattr(value, name), getattr(default, name)
        if value != default:
            raise ConfigError(
                "works only where the loader spawns the daemons (`her-os run`); under systemd the units decide: "
                "take it out, and say it with `systemctl edit`",
                field=field,
            )


def refuse_stale_drop_ins(settings: Settings, layout: Layout) -> None:
    """The units must say what the configuration says now. Raises ConfigError."""
    for path in stale_drop_ins(settings, layout):
        raise ConfigError(
            f"{path} does not say what the configuration says now; run `her-os install` as root, then "
            "`systemctl restart her-os.target`",
            file=settings.source,
        )


def observed_order(settings: Settings) -> tuple[str, ...]:
    """The units to observe. The wake word may be a unit of the person whose sound it is, not ours to restart."""
    elsewhere = {"kwd"} if settings.wake.unit == "user" else set[str]()
    return tuple(name for name in SYSTEMD_ORDER if name not in elsewhere)


class LoaderDaemon:
    """Owns what observes. Event loop only."""

    def __init__(self, settings: Settings, secrets: Secrets, systemctl: str = "systemctl") -> None:
        self._settings, self._secrets = settings, secrets
        self._history = boot_history(settings)
        order = observed_order(settings)
        units = SystemdUnits(order, systemctl)
        endpoints = endpoints_by_name(settings)
        self._services = [self._observed(units, endpoints[name]) for name in order]
        runtime = Path(os.environ.get("RUNTIME_DIRECTORY") or settings.environment.state_dir.expanduser() / "run")
        boot = make_boot(
            settings,
            secrets,
            self._history,
            runtime,
            lambda: {service.name: service.pid for service in self._services},
            self._look_at_once,
            _nothing,
        )
        plan = start_plan(settings, needs_all=False)
        self.loader = LoaderService(self._services, plan.in_order(order), boot, "systemd")
        http = LoaderHttp(self.loader, JournalLogs(), may_start_and_stop=False)
        self._observing: asyncio.Task[None] | None = None
        self.daemon: HttpDaemon = loader_daemon(
            settings, secrets, self.loader, http, load=self._load, close=self._close, alive=self._alive
        )

    def _observed(self, units: SystemdUnits, endpoint: Endpoint) -> ObservedService:
        settings, interval_s = self._settings, self._settings.loader.health_check_interval_sec
        readiness = getattr(settings.services, endpoint.daemon).readiness
        return ObservedService(
            endpoint.daemon,
            endpoint.port,
            units,
            restart_policy(settings),
            is_healthy=health_probe(readiness, endpoint, interval_s / 2),
            warm_up=warm_up_of(endpoint.daemon, settings, self._secrets),
            health_interval_s=interval_s,
        )

    async def _load(self) -> str:
        await asyncio.to_thread(self._history.load)
        self._observing = asyncio.create_task(self._observe(), name="observe")
        return "observing"

    async def _observe(self) -> None:
        reporting = asyncio.create_task(self._report(), name="report the state")
        try:
            await self.loader.start_all()
            await self.loader.watch()
        finally:
            reporting.cancel()
            await asyncio.wait({reporting})

    async def _report(self) -> None:
        """The status line of `systemctl status`."""
        while True:
            status = self.loader.status()
            states = ", ".join(f"{service.name} {service.state}" for service in status.services)
            self.daemon.readiness.describe(f"{status.state}: {states}")
            await self.loader.news()

    async def _look_at_once(self) -> None:
        """All units are observed from the beginning; the loader waits for them one by one."""
        for service in self._services:
            service.start()

    def _alive(self) -> bool:
        return self._observing is None or not self._observing.done()

    async def _close(self) -> None:
        if self._observing is not None:
            self._observing.cancel()
            await asyncio.wait({self._observing})
            if not self._observing.cancelled() and (error := self._observing.exception()):
                log.error("the loader broke", exc_info=error)
        await self.loader.stop_all()


class JournalLogs:
    """`loader_http.Logs` out of the journal."""

    async def tail(self, name: str, lines: int) -> list[str]:
        """The last lines of a unit. Raises SystemdUnavailable where we may not read them."""
        text = await run_program("journalctl", "--no-pager", "-o", "cat", f"--lines={lines}", f"--unit={unit_of(name)}")
        return text.splitlines()


async def _nothing() -> None:
    """The units clean up after themselves."""
