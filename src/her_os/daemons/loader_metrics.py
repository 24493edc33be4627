"""The loader's figures in Prometheus' terms, read from its status when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from her_os.contracts.loader_status import SystemStatus
from her_os.contracts.service_state import LoaderState, ServiceState

_TIMES = ("prepare_async_ms", "start_ms", "time_to_ready_ms", "warmup_ms")
_BOOT = (
    "first_cuda_context_ms",
    "total_boot_ms",
    "total_boot_p95_ms",
    "greeting_speak_ms",
    "kwd_resume_after_ms",
    "greetings",
    "greetings_heard",
)


class LoaderMetrics(Collector):
    """One sample of everything."""

    def __init__(self, status: Callable[[], SystemStatus], registry: CollectorRegistry) -> None:
        self._status = status
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: it would need a status before there is one."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every figure that is known now."""
        status = self._status()
        state = GaugeMetricFamily("her_os_loader_state", "1 for the state the loader is in", labels=["state"])
        for name in LoaderState:
            state.add_metric([name], float(name is status.state))
        yield state
        yield from _services(status)
        for name in _BOOT:
            value = getattr(status.boot, name)
            if value is not None:
                yield GaugeMetricFamily(f"her_os_loader_{name}", f"Latest boot: {name}", value=float(value))
        yield from _vram(status)


def _services(status: SystemStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("her_os_service_state", "1 for the state a service is in", labels=["service", "state"])
    restarts = GaugeMetricFamily("her_os_service_restarts", "Restarts of a service", labels=["service"])
    for service in status.services:
        restarts.add_metric([service.name], service.restarts)
        for name in ServiceState:
            state.add_metric([service.name, name], float(name is service.state))
    yield state
    yield restarts
    for name in _TIMES:
        family = GaugeMetricFamily(f"her_os_service_{name}", f"Latest start: {name}", labels=["service"])
        for service in status.services:
            if (value := getattr(service.times, name)) is not None:
                family.add_metric([service.name], value)
        yield family


def _vram(status: SystemStatus) -> Iterator[Metric]:
    used = GaugeMetricFamily("her_os_vram_used_mb", "Graphics memory after a stage", labels=["stage"])
    latest = {snapshot.stage: snapshot.gpu.used_mb for snapshot in status.vram if snapshot.gpu is not None}
    for stage, value in latest.items():
        used.add_metric([stage], value)
    yield used
    by_service = GaugeMetricFamily("her_os_vram_service_mb", "Graphics memory of a service", labels=["service"])
    for service in status.services:
        if service.vram_mb is not None:
            by_service.add_metric([service.name], service.vram_mb)
    yield by_service
