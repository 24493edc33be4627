"""The nine gates in their order, and going through them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from her_os.contracts.errors import HerOsError
from her_os.daemons.preflight import (
    cancel_floor,
    configuration,
    environments,
    fragmentation,
    graphics,
    model_check,
    ports,
    sound_path,
    tokens,
)
from her_os.daemons.preflight.gate import Gate, GateClosed, Machine

GATES = cast(
    "tuple[Gate, ...]",
    (
        environments,
        graphics,
        model_check,
        ports,
        tokens,
        configuration,
        sound_path,
        cancel_floor,
        fragmentation,
    ),
)
EXIT_OF_GATE = 40
"""Exit status 40 + n: gate 0.n was the first that was not passed."""


@dataclass(frozen=True)
class Result:
    """What became of one gate."""

    gate: str
    name: str
    status: Literal["passed", "closed"]
    detail: str
    seconds: float
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def number(self) -> int:
        """N of gate 0.n."""
        return int(self.gate.rpartition(".")[2])


async def go_through(
    machine: Machine, gates: Sequence[Gate], *, all_of_them: bool, tell: Callable[[Result], None]
) -> list[Result]:
    """Each gate in turn, told as it is known; the first closed one ends it unless `all_of_them`."""
    results: list[Result] = []
    for gate in gates:
        result = await _one(gate, machine)
        results.append(result)
        tell(result)
        if result.status == "closed" and not all_of_them:
            break
    return results


def exit_status(results: Sequence[Result]) -> int:
    """0, or that of the first closed gate."""
    return next((EXIT_OF_GATE + result.number for result in results if result.status == "closed"), 0)


async def _one(gate: Gate, machine: Machine) -> Result:
    begin = time.monotonic()
    name = f"0.{gate.NUMBER}"
    try:
        finding = await gate.check(machine)
    except GateClosed as closed:
        return Result(name, gate.NAME, "closed", str(closed), _since(begin), closed.remedy, closed.facts)
    except HerOsError as error:  # says itself what to do
        return Result(name, gate.NAME, "closed", str(error), _since(begin))
    return Result(name, gate.NAME, "passed", finding.detail, _since(begin), facts=dict(finding.facts))


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 2)
