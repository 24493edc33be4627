"""Work that steps back for a call: it is dropped at once when a call begins, and done again when the line is quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
CallsInProgress = Callable[[], Awaitable[int]]


async def while_quiet(
    work: Callable[[], Coroutine[Any, Any, T]],
    calls: CallsInProgress,
    *,
    poll_s: float = 1.0,
    waiting: Callable[[], None] = lambda: None,
) -> T:
    """Run `work()` to its end in a time without calls. `waiting` is called at each look at a busy line."""
    while True:
        while await calls():
            waiting()
            await asyncio.sleep(poll_s)
        working = asyncio.create_task(work(), name="quiet work")
        watching = asyncio.create_task(_call_begins(calls, poll_s), name="watch for a call")
        try:
            done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.wait({working, watching})
        if working in done:
            return working.result()
        watching.result()


async def _call_begins(calls: CallsInProgress, poll_s: float) -> None:
    while not await calls():  # noqa: ASYNC110 - the phone daemon is asked over HTTP
        await asyncio.sleep(poll_s)
