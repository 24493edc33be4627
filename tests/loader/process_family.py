"""The supervisor in a process of its own, over stand-ins for the daemons, and its log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
llm: {port: 0}
stt: {port: 0}
tts: {port: 0}
wake: {port: 0}
phone: {api_port: 0, sip_port: 0}
loader:
  port: 0
  startup_sequence: [llm, stt, tts, phone]
  shutdown_sequence: [phone, tts, stt, llm]
  readiness_poll_ms: 20
  prewarm_next_service: false
  health_check_interval_sec: 0.1
  graceful_shutdown: {per_service_grace_sec: 2, kill_after_sec: 3}
  restart_policy: {max_restarts: 2, backoff: {initial_sec: 0.05}}
  post_boot_greeting: {enabled: false}
services: {llm: {readiness: {type: notify}}}
"""


class Family:
    """A running supervisor, its log, and ways to wait for a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.log = process, list[str]()
        self._new = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._new:
                self.log.append(line.rstrip("\n"))
                self._new.notify_all()

    def wait_for(self, pattern: str, times: int = 1) -> re.Match[str]:
        """The first line that matches, waiting until that many do."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            found[:] = [m for line in self.log if (m := re.search(pattern, line))]
            return len(found) >= times

        with self._new:
            assert self._new.wait_for(seen, timeout=60), f"no line matches {pattern!r} in {self.log}"
        return found[0]

    def ended(self) -> int:
        status = self.process.wait(60)
        self._reader.join(60)
        return status

    def order_of(self, *patterns: str) -> list[int]:
        return [next(i for i, line in enumerate(self.log) if re.search(p, line)) for p in patterns]

    def births(self) -> list[int]:
        return [int(m[1]) for line in self.log if (m := re.search(r"born (\d+)", line))]


@contextmanager
def family(tmp_path: Path, *behaviours: str, config_text: str = CONFIG) -> Iterator[Family]:
    config = tmp_path / "her-os.yaml"
    config.write_text(config_text)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.daemon_family", str(config), *behaviours],
        cwd=ROOT,
        env={**os.environ, "HER_OS_STATE_DIR": str(tmp_path / "state")},
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Family(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
        running.ended()
        assert process.stderr is not None
        process.stderr.close()


def gone(pids: list[int]) -> bool:
    _, alive = psutil.wait_procs([p for pid in pids if (p := _process(pid))], timeout=20)
    return not alive


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
