"""Composition root of `her-os run`: the loader in spawning mode over the four daemons.

Exit status: 0 stopped on request; 1 a daemon could not be brought up or all went down for good; 69 a port is
taken (EX_UNAVAILABLE); 78 the configuration is wrong (EX_CONFIG).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from her_os.contracts.errors import HerOsError
from her_os.daemons.family import Endpoint, all_endpoints, http_endpoints
from her_os.daemons.how_to_call import how_to_call
from her_os.daemons.spawned_daemon import SpawnedDaemon, daemon_command
from her_os.daemons.transcript_watch import DispatcherProcess, transcribing
from her_os.loader.loader_service import LoaderService, Misconfigured, StartFailed
from her_os.loader.start_plan import EX_CONFIG, RestartPolicy
from her_os.loader.supervised_service import Gates, SupervisedService
from her_os.service.line_sink import LineSink
from her_os.service.port_owner import find_port_owner, port_is_free
from her_os.settings import Settings

log = logging.getLogger(__name__)


class PortTaken(HerOsError):
    """A port that a daemon needs belongs to another process."""

    code = "port_taken"


async def supervise(
    settings: Settings,
    sink: LineSink,
    config: Path | None = None,
    command_for: Callable[[str], Sequence[str]] = daemon_command,
) -> int:
    """Run the family until a signal; returns the exit status. `config`, an absolute path, is handed to the daemons.

    Raises PortTaken before anything is started.
    """
    _refuse_taken_ports(all_endpoints(settings))
    environ = dict(os.environ)
    if config is not None:
        environ["HER_OS_CONFIG"] = str(config)
    with tempfile.TemporaryDirectory(prefix="her-os-") as runtime_dir:
        runtime = Path(runtime_dir)
        daemons = [SpawnedDaemon(e, command_for(e.daemon), runtime, environ, sink) for e in http_endpoints(settings)]
        policy, gates = _policy(settings), _gates(settings)
        loader = LoaderService(SupervisedService(daemon, policy, gates) for daemon in daemons)
        dispatcher = DispatcherProcess(command_for("transcripts"), environ, sink)
        return await _run_until_stopped(loader, settings, dispatcher)


async def _run_until_stopped(loader: LoaderService, settings: Settings, dispatcher: DispatcherProcess) -> int:
    stop = _stop_on_signals(loader)
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    running = asyncio.create_task(_start_and_watch(loader, settings, dispatcher), name="start and watch")
    try:
        await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            log.error("no daemon is left")
            return 1
    except StartFailed as error:
        log.error("%s", error)  # noqa: TRY400 - the operator needs the message, not our stack
        return EX_CONFIG if isinstance(error, Misconfigured) else 1
    else:
        return 0
    finally:
        for task in (stopping, running):
            task.cancel()
        await asyncio.wait({stopping, running})
        log.info("stopping")
        await loader.stop_all()
        log.info("Shutdown complete")


async def _start_and_watch(loader: LoaderService, settings: Settings, dispatcher: DispatcherProcess) -> None:
    began = asyncio.get_running_loop().time()
    await loader.start_all()
    log.info("all services ready after %.1f s", asyncio.get_running_loop().time() - began)
    for line in how_to_call(settings):
        log.info("%s", line)
    async with transcribing(settings, dispatcher):
        await loader.watch()


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


def _refuse_taken_ports(endpoints: list[Endpoint]) -> None:
    """Say whose the port is before anything is started."""
    taken: list[str] = []
    for e in endpoints:
        if e.port and not port_is_free(e.host, e.port, e.transport):
            owner = find_port_owner(e.port, e.transport)
            who = f"pid {owner.pid}: {owner.command}" if owner.pid else owner.command
            taken.append(f"port {e.port}/{e.transport} ({e.setting}, for {e.daemon}) is taken by {who}")
    if taken:
        taken.append("stop it (another her-os?), or change the port in the configuration")
        raise PortTaken("; ".join(taken))


def _policy(settings: Settings) -> RestartPolicy:
    s = settings.supervision
    return RestartPolicy(s.restart_initial_s, s.restart_max_s, s.max_restarts, s.restart_window_s)


def _gates(settings: Settings) -> Gates:
    s = settings.supervision
    return Gates(s.ready_timeout_s, s.poll_ms / 1000, s.stop_grace_s)
