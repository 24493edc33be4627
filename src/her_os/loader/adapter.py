"""What the loader needs from a service, whatever it is made of: a process here, a systemd unit later."""

from __future__ import annotations

from typing import Protocol


class ServiceAdapter(Protocol):
    """One service. Used from the event loop only; one life at a time."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None:
        """The process of the current life, if one is running."""
        ...

    async def start(self) -> None:
        """Begin a life. Raises OSError when the process cannot be started."""
        ...

    async def is_ready(self) -> bool:
        """Whether this life has said that it may be used."""
        ...

    async def exited(self) -> int:
        """Wait for the end of this life and return its exit status (negative: the signal that ended it)."""
        ...

    async def stop(self, grace_s: float) -> None:
        """End this life and everything it spawned: ask, ask again, then kill. Returns when it is gone."""
        ...

    def kill(self) -> None:
        """End this life at once."""
        ...
