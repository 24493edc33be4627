"""The adapters of the services that the startup sequence names, each with its probes, its environment, its warm-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from her_os.daemons.loader_parts import endpoints_by_name
from her_os.daemons.model_files import touch_files_of
from her_os.daemons.service_probes import health_probe, readiness_probe
from her_os.daemons.spawned_service import ServiceParts, SpawnedService, service_command, service_environment
from her_os.daemons.warm_up import warm_up_of
from her_os.service.notify_listener import NotifyListener
from her_os.settings import Secrets, Settings

CommandFor = Callable[[str], Sequence[str]]
"""Takes the place of the configured commands, for tests: such a stand-in is not warmed up."""


class SpawnedFamily:
    """Makes the adapters of the services that the startup sequence names."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        runtime: Path,
        environ: Mapping[str, str],
        on_line: Callable[[str, str], None],
        command_for: CommandFor | None,
    ) -> None:
        self._settings, self._secrets, self._runtime, self._environ = settings, secrets, runtime, environ
        self._on_line, self._command_for = on_line, command_for

    def adapters(self) -> list[SpawnedService]:
        return [self._adapter(name) for name in self._settings.loader.startup_sequence]

    def _adapter(self, name: str) -> SpawnedService:
        settings, endpoint = self._settings, endpoints_by_name(self._settings)[name]
        service = getattr(settings.services, name)
        notify = NotifyListener(self._runtime / f"{name}.sock")
        ready = readiness_probe(service.readiness, endpoint, lambda: notify.ready)
        command = self._command_for(name) if self._command_for else service_command(name, service)
        parts = ServiceParts(
            name=name,
            port=endpoint.port or None,
            command=command,
            environment=service_environment(settings, service, self._environ, notify.path),
            workdir=Path.cwd(),
            is_ready=ready,
            is_healthy=health_probe(service.readiness, endpoint, settings.loader.health_check_interval_sec / 2),
            warm_up=warm_up_of(name, settings, self._secrets) if not self._command_for else _nothing,
            touch_files=lambda: touch_files_of(name, settings),
            can_be_held=service.prepare_async and not service.cmd,
            kill_after_s=settings.loader.graceful_shutdown.kill_after_sec,
        )
        return SpawnedService(parts, notify, lambda line: self._on_line(name, line))


async def _nothing() -> None:
    """A stand-in of the tests needs no warm-up."""
