"""Composition root of `her-os run`: the loader in spawning mode over the family of daemons.

Exit status: 0 stopped on request; 1 a daemon could not be brought up or all went down for good; 69 a port is
taken (EX_UNAVAILABLE); 78 the configuration is wrong (EX_CONFIG).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from her_os.daemons.family import all_endpoints, loader_endpoint
from her_os.daemons.how_to_call import how_to_call
from her_os.daemons.loader_http import LoaderHttp, loader_daemon
from her_os.daemons.loader_parts import boot_history, gates, make_boot, restart_policy, start_plan
from her_os.daemons.spawned_family import CommandFor, SpawnedFamily
from her_os.daemons.spawned_service import own_daemon_command
from her_os.daemons.this_machine import port_hygiene
from her_os.daemons.transcript_watch import DispatcherProcess, transcribing
from her_os.loader.loader_service import LoaderService, Misconfigured, StartFailed
from her_os.loader.start_plan import EX_CONFIG
from her_os.loader.supervised_service import SupervisedService
from her_os.service.http_daemon import HttpDaemon
from her_os.service.line_sink import LineSink
from her_os.service.recent_lines import RecentLines
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)


async def supervise(
    settings: Settings,
    secrets: Secrets,
    sink: LineSink,
    config: Path | None = None,
    command_for: CommandFor | None = None,
) -> int:
    """Run the family until a signal; returns the exit status. `config`, an absolute path, is handed to the daemons.

    Raises PortTaken before any daemon is started.
    """
    environ = dict(os.environ)
    if config is not None:
        environ["HER_OS_CONFIG"] = str(config)
    own = loader_endpoint(settings)
    await port_hygiene(settings, [own]).before_start()
    hygiene = port_hygiene(settings, [endpoint for endpoint in all_endpoints(settings) if endpoint != own])
    history = boot_history(settings)
    await asyncio.to_thread(history.load)
    with tempfile.TemporaryDirectory(prefix="her-os-") as runtime_dir:
        runtime, lines = Path(runtime_dir), RecentLines()
        family = SpawnedFamily(settings, secrets, runtime, environ, _both(sink, lines), command_for)
        policy = restart_policy(settings)
        services = [SupervisedService(a, policy, gates(settings, a.name, history)) for a in family.adapters()]
        boot = make_boot(
            settings,
            secrets,
            history,
            runtime,
            lambda: {service.name: service.pid for service in services},
            hygiene.before_start,
            hygiene.after_stop,
        )
        loader = LoaderService(services, start_plan(settings, needs_all=True), boot, "spawning")
        http = LoaderHttp(loader, lines, may_start_and_stop=True)
        daemon = loader_daemon(settings, secrets, loader, http, load=_loaded, close=http.close)
        dispatcher = DispatcherProcess((command_for or own_daemon_command)("transcripts"), environ, sink)
        return await _run_until_stopped(loader, settings, daemon, dispatcher)


async def _run_until_stopped(
    loader: LoaderService, settings: Settings, daemon: HttpDaemon, dispatcher: DispatcherProcess
) -> int:
    stop = _stop_on_signals(loader)
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    running = asyncio.create_task(_start_and_watch(loader, settings, dispatcher), name="start and watch")
    try:
        async with daemon.listening():
            daemon.readiness.open("supervising")
            try:
                await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
                    return 1
            except StartFailed as error:
                log.error("%s", error)  # noqa: TRY400 - the operator needs the message, not our stack
                return EX_CONFIG if isinstance(error, Misconfigured) else 1
            else:
                return 0
            finally:
                await _cancel(stopping, running)
                await daemon.close()
                log.info("stopping")
                await loader.stop_all()
    finally:
        await _cancel(stopping, running)


async def _start_and_watch(loader: LoaderService, settings: Settings, dispatcher: DispatcherProcess) -> None:
    await loader.start_all()
    for line in how_to_call(settings):
        log.info("%s", line)
    async with transcribing(settings, dispatcher):
        await loader.watch()


async def _cancel(*tasks: asyncio.Task[None] | asyncio.Task[bool]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _stop_on_signals(loader: LoaderService) -> asyncio.Event:
    """The first signal stops in order, a second one kills at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("asked again: killing everything at once")
            loader.kill_all()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    return stop


def _both(sink: LineSink, lines: RecentLines) -> Callable[[str, str], None]:
    """A line of a service goes to the log and is kept for `her-os logs`."""

    def on_line(name: str, line: str) -> None:
        sink.line(name, line)
        lines.add(name, line)

    return on_line


async def _loaded() -> None:
    """There is nothing to load."""
