"""Tests wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], what: str = "", patience_s: float = 20) -> None:
    """Wait until something that another thread, task or process does has happened; `what` is told if it does not."""
    try:
        async with asyncio.timeout(patience_s):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"never happened: {what or 'the condition'}") from None
