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
