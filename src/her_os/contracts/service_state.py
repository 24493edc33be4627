"""States of the family of daemons and of one service, each with its legal arrows."""

from __future__ import annotations

from enum import StrEnum

from her_os.contracts.errors import IllegalTransition


class ServiceState(StrEnum):
    """One daemon, as its supervisor sees it."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPING = "stopping"


SERVICE_ARROWS: dict[ServiceState, frozenset[ServiceState]] = {
    ServiceState.STOPPED: frozenset({ServiceState.STARTING}),
    ServiceState.STARTING: frozenset(
        {ServiceState.READY, ServiceState.BACKOFF, ServiceState.FAILED, ServiceState.STOPPING}
    ),
    ServiceState.READY: frozenset(
        {ServiceState.UNHEALTHY, ServiceState.BACKOFF, ServiceState.FAILED, ServiceState.STOPPING}
    ),
    ServiceState.UNHEALTHY: frozenset(
        {ServiceState.READY, ServiceState.BACKOFF, ServiceState.FAILED, ServiceState.STOPPING}
    ),
    ServiceState.BACKOFF: frozenset({ServiceState.STARTING, ServiceState.FAILED, ServiceState.STOPPING}),
    ServiceState.FAILED: frozenset({ServiceState.STARTING, ServiceState.STOPPING}),
    ServiceState.STOPPING: frozenset({ServiceState.STOPPED}),
}


def check_service_transition(current: ServiceState, wanted: ServiceState) -> ServiceState:
    """Return `wanted`, or raise IllegalTransition when the table has no such arrow."""
    if wanted not in SERVICE_ARROWS[current]:
        raise IllegalTransition(f"a service cannot go from {current} to {wanted}")
    return wanted


class LoaderState(StrEnum):
    """The whole family, as the loader sees it."""

    INIT = "INIT"
    PRECHECK = "PRECHECK"
    STARTING = "STARTING"
    """With the name of the service: one at a time."""
    RUNNING_ALL = "RUNNING_ALL"
    """Every service is ready; some may not be warm."""
    SYSTEM_READY = "SYSTEM_READY"
    """Ready and warm. A state that may be asked for at any time, not only an event."""
    DEGRADED = "DEGRADED"
    """At least one service is down for good; the others go on."""
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


LOADER_ARROWS: dict[LoaderState, frozenset[LoaderState]] = {
    LoaderState.INIT: frozenset({LoaderState.PRECHECK, LoaderState.STOPPING}),
    LoaderState.PRECHECK: frozenset({LoaderState.STARTING, LoaderState.STOPPING}),
    LoaderState.STARTING: frozenset(
        {LoaderState.STARTING, LoaderState.RUNNING_ALL, LoaderState.DEGRADED, LoaderState.STOPPING}
    ),
    LoaderState.RUNNING_ALL: frozenset({LoaderState.SYSTEM_READY, LoaderState.DEGRADED, LoaderState.STOPPING}),
    LoaderState.SYSTEM_READY: frozenset({LoaderState.DEGRADED, LoaderState.STOPPING}),
    LoaderState.DEGRADED: frozenset({LoaderState.RUNNING_ALL, LoaderState.STOPPING}),
    LoaderState.STOPPING: frozenset({LoaderState.STOPPED}),
    LoaderState.STOPPED: frozenset({LoaderState.PRECHECK}),
}


def check_loader_transition(current: LoaderState, wanted: LoaderState) -> LoaderState:
    """Return `wanted`, or raise IllegalTransition when the table has no such arrow."""
    if wanted not in LOADER_ARROWS[current]:
        raise IllegalTransition(f"the loader cannot go from {current} to {wanted}")
    return wanted
