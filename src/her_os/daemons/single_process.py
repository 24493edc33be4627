"""All our daemons in one process and one event loop, for a debugger: `her-os run --single-process`.

llama-server is a program of its own and stays one. There is no loader: nothing is restarted, and the first daemon that
ends ends all.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine

from her_os.contracts.errors import HerOsError
from her_os.daemons.family import Endpoint, daemon_of
from her_os.daemons.how_to_call import how_to_call
from her_os.daemons.loader_parts import endpoints_by_name
from her_os.daemons.mistakes import refuse_mistakes
from her_os.daemons.spawned_service import own_daemon_command
from her_os.service.child_process import ChildProcess
from her_os.service.health_probe import ask_health
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)
_POLL_S = 0.1
_GOODBYE_S = 8.0


async def run_together(settings: Settings, secrets: Secrets) -> int:
    """Run until a signal, or until one ends; returns the exit status. Raises ConfigError, HerOsError."""
    log.warning("all daemons share one process: sound may drop out; this is for debugging only")
    endpoints = endpoints_by_name(settings)
    running: dict[str, asyncio.Task[int]] = {}
    try:
        for name in settings.loader.startup_sequence:
            running[name] = asyncio.create_task(_one(name, settings, secrets), name=name)
            await _ready(endpoints[name], running)
            log.info("%s ready", name)
        for line in how_to_call(settings):
            log.info("%s", line)
        stop = asyncio.create_task(_signalled(), name="signal")
        await asyncio.wait({stop, *running.values()}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        await asyncio.wait({stop})
        return 0 if stop.done() and not stop.cancelled() else _failure(running)
    finally:
        for name in settings.loader.shutdown_sequence:
            if (task := running.get(name)) is not None:
                task.cancel()
                await asyncio.wait({task}, timeout=_GOODBYE_S)
        log.info("Shutdown complete")


def _one(name: str, settings: Settings, secrets: Secrets) -> Coroutine[None, None, int]:
    if name == "llm":
        return _llm(settings)
    daemon = daemon_of(name)
    refuse_mistakes(settings, daemon)
    return importlib.import_module(f"her_os.daemons.{daemon}").main(settings, secrets)


async def _llm(settings: Settings) -> int:
    environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    environment["HER_OS_CONFIG"] = settings.source
    child = ChildProcess(own_daemon_command("llm"), environment, _say)
    await child.start()
    try:
        return await child.wait()
    finally:
        await child.stop(2.0)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _ready(endpoint: Endpoint, running: dict[str, asyncio.Task[int]]) -> None:
    while not (await ask_health(endpoint.host, endpoint.port)).ready:
        if any(task.done() for task in running.values()):
            _failure(running)
        await asyncio.sleep(_POLL_S)


async def _signalled() -> None:
    """Each daemon has set handlers of its own; here one signal is for all of them."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    await event.wait()


def _failure(running: dict[str, asyncio.Task[int]]) -> int:
    """Raises what the daemon that ended raised, or says which it was."""
    for name, task in running.items():
        if task.done():
            raise HerOsError(f"{name} ended with status {task.result()}")
    return 0
