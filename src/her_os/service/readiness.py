"""The gate that every daemon opens when its model is loaded and warm, and not before."""

from __future__ import annotations

import asyncio

from her_os.service.notify import sd_notify


class Readiness:
    """Whether the daemon may be used, and a status line for people. Event loop only."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.status = "starting"
        self.failure = ""

    @property
    def ready(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def describe(self, status: str) -> None:
        """Say what the daemon is doing, e.g. "loading the model"."""
        self.status = status
        sd_notify(STATUS=status)

    def open(self, status: str) -> None:
        """The daemon may be used from now on."""
        self.status, self.failure = status, ""
        self._event.set()
        sd_notify(READY="1", STATUS=status)

    def shut(self, failure: str) -> None:
        """The daemon may not be used (a dead engine, a stop under way)."""
        self.status = self.failure = failure
        self._event.clear()
        sd_notify(STATUS=failure)
