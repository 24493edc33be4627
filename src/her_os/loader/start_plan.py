"""In which order the family starts and stops, and how a service that ends is brought back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

EX_CONFIG = 78
"""Exit status of a daemon whose configuration is wrong (sysexits.h): starting it again cannot help."""


@dataclass(frozen=True)
class StartPlan:
    """Orders, and what happens around a start."""

    start_order: tuple[str, ...]
    """A service starts when the one before it is ready; the phone comes last, when it can really answer."""
    stop_order: tuple[str, ...]
    """The phone goes first, so that a caller hears a goodbye while there is a voice to say it."""
    prewarm_next: bool = True
    fail_fast: bool = False
    """Whether everything is stopped when one service is given up."""
    needs_all: bool = True
    """Whether a start fails when one service does not come up. False where we only observe."""

    def in_order(self, order: tuple[str, ...]) -> StartPlan:
        """The same with another start order; the stop order is its reverse."""
        return replace(self, start_order=order, stop_order=order[::-1])


@dataclass(frozen=True)
class RestartPolicy:
    """Capped exponential backoff: `initial_s` grown by `factor` to `max_s`; at most `max_restarts` in `window_s`."""

    initial_s: float
    max_s: float
    max_restarts: int
    window_s: float
    factor: float = 2.0
    kind: Literal["on-failure", "always", "never"] = "on-failure"

    def wants_restart(self, status: int) -> bool:
        """Whether a service that ended by itself with `status` is to be started again."""
        return self.kind == "always" or (self.kind == "on-failure" and status != 0)


@dataclass
class RestartBudget:
    """The restarts of one service, judged by a policy. Time is an argument."""

    policy: RestartPolicy
    _restarts: deque[float] = field(default_factory=deque[float])

    def next_delay_s(self, now_s: float) -> float | None:
        """How long to wait before the next restart, or None when the window's restarts are used up."""
        while self._restarts and now_s - self._restarts[0] > self.policy.window_s:
            self._restarts.popleft()
        if len(self._restarts) >= self.policy.max_restarts:
            return None
        delay = min(self.policy.max_s, self.policy.initial_s * self.policy.factor ** len(self._restarts))
        self._restarts.append(now_s)
        return delay

    def forgive(self) -> None:
        """Forget all restarts: an operator has asked for a fresh start."""
        self._restarts.clear()
