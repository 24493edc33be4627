"""A daemon of ours as a child process: the loader's `ServiceAdapter` in spawning mode."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from her_os.daemons.family import Endpoint
from her_os.service.child_process import ChildProcess
from her_os.service.health_probe import ask_health
from her_os.service.line_sink import LineSink
from her_os.service.notify_listener import NotifyListener


def daemon_command(name: str) -> list[str]:
    """How `her-os run` starts a daemon. It ends when we do, even if we are killed."""
    return [sys.executable, "-m", "her_os.cli", "daemon", name, "--die-with", str(os.getpid())]


class SpawnedDaemon:
    """One daemon in a process of its own.

    Ready when it has said READY=1. The language model may be `llama-server` itself, which cannot, so that one is
    asked on `/health`, too.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        command: Sequence[str],
        runtime_dir: Path,
        environ: Mapping[str, str],
        sink: LineSink,
    ) -> None:
        self.name = endpoint.daemon
        self._endpoint = endpoint
        self._notify = NotifyListener(runtime_dir / f"{self.name}.sock")
        environment = {**environ, "NOTIFY_SOCKET": str(self._notify.path), "PYTHONUNBUFFERED": "1"}
        environment.pop("JOURNAL_STREAM", None)  # its output goes to us, not to the journal
        self._child = ChildProcess(command, environment, lambda line: sink.line(self.name, line))

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> None:
        self._notify.open()
        await self._child.start()

    async def is_ready(self) -> bool:
        if self._notify.ready:
            return True
        if self.name != "llm":
            return False
        return (await ask_health(self._endpoint.host, self._endpoint.port)).ready

    async def exited(self) -> int:
        return await self._child.wait()

    async def stop(self, grace_s: float) -> None:
        await self._child.stop(grace_s)
        self._notify.close()

    def kill(self) -> None:
        self._child.kill()
