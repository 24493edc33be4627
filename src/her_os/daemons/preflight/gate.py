"""What a gate is: a question about this machine, answered by what was found or by what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from her_os.contracts.errors import HerOsError
from her_os.settings import Settings


@dataclass(frozen=True)
class Machine:
    """What the gates look at."""

    settings: Settings
    secrets_file: Path
    installed: bool
    """Whether the units of an installation belong to this."""


@dataclass(frozen=True)
class Finding:
    """A gate that was passed. `facts` are for programs."""

    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class GateClosed(HerOsError):
    """A gate that was not passed: what is wrong, and the remedy."""

    code = "gate_closed"

    def __init__(self, message: str, remedy: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.remedy, self.facts = remedy, dict(facts or {})


class Gate(Protocol):
    """One module of this package. `NUMBER` is n of gate 0.n. `MEASURES`: takes seconds or minutes, and the CPU."""

    NUMBER: int
    NAME: str
    MEASURES: bool

    async def check(self, machine: Machine) -> Finding:
        """Raises GateClosed; any other HerOsError is a closed gate, too."""
        ...
