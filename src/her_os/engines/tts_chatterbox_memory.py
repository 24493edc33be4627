"""Memory of the device that Chatterbox runs on: refused before loading, freed beside the synthesis, known when out.

`torch.cuda.empty_cache` blocks, so it runs in an executor, after each cancel and every few syntheses.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psutil

from her_os.contracts.errors import ConfigError, is_out_of_memory
from her_os.engines.own_library import library

WORKING_MB = 700
"""What a synthesis needs beside the weights: caches of 1,000 tokens, the sound of 40 s, the library's own."""
_EVERY = 20


def refuse_too_large(weight_mb: int, budget_mb: int, free_mb: int, device: str) -> None:
    """Raise ConfigError where weights and work do not fit into the budget, or else into what is free."""
    needed = weight_mb + WORKING_MB
    where = "the graphics card" if device == "cuda" else "main memory"
    if budget_mb and needed > budget_mb:
        raise ConfigError(
            f"is {budget_mb}; the model needs about {needed} MB of {where} ({weight_mb} of weights); raise it, or take "
            "a smaller model",
            field="tts.memory_budget_mb",
        )
    if needed > free_mb:
        mend = "end what else is there" + (", or set tts.device to cpu" if device == "cuda" else "")
        raise ConfigError(f"needs about {needed} MB of {where} and {free_mb} MB are free; {mend}", field="tts.model")


def free_mb(device: str) -> int:
    """Megabytes that are free on the device now."""
    if device == "cuda":
        torch = library("torch")

        return int(torch.cuda.mem_get_info()[0]) >> 20
    return int(psutil.virtual_memory().available) >> 20


def ran_out(error: Exception) -> bool:
    """Whether memory, of the card or the machine, is behind an error: torch says so in a type or in words."""
    return is_out_of_memory(error) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)


class CacheFreeing:
    """Calls `free` on a thread of its own. `freed` counts the calls that are done."""

    def __init__(self, free: Callable[[], None], every: int = _EVERY) -> None:
        self._free, self._every = free, every
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tts-cache")
        self._since = 0
        self.freed = 0

    def after_synthesis(self, *, cancelled: bool) -> Future[None] | None:
        """One more synthesis has ended. Its thread does not wait for what this may begin."""
        self._since += 1
        if not cancelled and self._since < self._every:
            return None
        self._since = 0
        return self._thread.submit(self._run)

    def close(self) -> None:
        """Wait for what runs. Idempotent."""
        self._thread.shutdown()

    def _run(self) -> None:
        self._free()
        self.freed += 1
