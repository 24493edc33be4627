"""What the loader needs from a service, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class ServiceAdapter(Protocol):
    """One service as a process that the loader spawns. Used from the event loop only; one life at a time."""

    @property
    def name(self) -> str: ...

    @property
    def command(self) -> Sequence[str]:
        """Program and arguments."""
        ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def workdir(self) -> Path: ...

    @property
    def port(self) -> int | None:
        """The port it answers on, if it has one."""
        ...

    @property
    def pid(self) -> int | None:
        """The process of the current life, if one is running."""
        ...

    async def prepare_async(self) -> None:
        """Do ahead what can be done before its turn: files into memory, imports, loading; no port is bound.

        Returns when that is done. What was prepared is used by the next `start`, or ended by `stop`.
        """
        ...

    async def start(self) -> None:
        """Begin a life. Raises OSError when the process cannot be started."""
        ...

    async def is_ready(self) -> bool:
        """Whether this life has said that it may be used."""
        ...

    async def is_healthy(self) -> bool:
        """Whether it answers. May take as long as it likes; the loader does not wait for ever."""
        ...

    async def warm_up(self) -> None:
        """Use it once, so that the first caller need not wait. Raises HerOsError."""
        ...

    async def exited(self) -> int:
        """Wait for the end of this life and return its exit status (negative: the signal that ended it)."""
        ...

    async def stop(self, grace_sec: float) -> None:
        """End this life and everything it spawned: ask, ask again, then kill. Returns when it is gone."""
        ...

    def kill(self) -> None:
        """End this life at once."""
        ...
