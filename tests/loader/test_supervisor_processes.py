"""The supervisor over real processes and signals; the daemons are stand-ins (tests/fakes/daemon.py)."""

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
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
llm: {port: 0}
stt: {port: 0}
tts: {port: 0}
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
def family(tmp_path: Path, *behaviours: str) -> Iterator[Family]:
    config = tmp_path / "her-os.yaml"
    config.write_text(CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.daemon_family", str(config), *behaviours],
        cwd=ROOT,
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_in_order_says_how_to_call_and_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.wait_for(r"no account needed")
        her.process.send_signal(number)
        assert her.ended() == 0
        starts = her.order_of("llm born", "stt born", "tts born", "phone born", "SYSTEM_READY")
        assert starts == sorted(starts)
        stops = her.order_of("phone says", "tts says", "stt says", "llm says", "Shutdown complete")
        assert stops == sorted(stops)
        assert gone(her.births())


def test_a_daemon_that_ignores_the_first_term_gets_a_second(tmp_path: Path) -> None:
    with family(tmp_path, "llm=stubborn") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert len([line for line in her.log if "llm got TERM" in line]) == 2
        her.wait_for("llm says goodbye")


def test_a_daemon_that_ignores_every_term_is_killed(tmp_path: Path) -> None:
    with family(tmp_path, "tts=deaf") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert gone(her.births())


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    with family(tmp_path, "phone=deaf") as her:
        her.wait_for("Ctrl-C stops")
        her.process.send_signal(signal.SIGINT)
        her.wait_for("phone got TERM")
        her.process.send_signal(signal.SIGINT)
        assert her.ended() == 0
        her.wait_for("killing everything at once")
        assert not any("llm says goodbye" in line for line in her.log)
        assert gone(her.births())


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.process.kill()
        assert her.ended() == -signal.SIGKILL
        assert gone(her.births())


def test_what_a_daemon_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    with family(tmp_path, "stt=parent") as her:
        child = int(her.wait_for(r"stt child (\d+)")[1])
        her.wait_for("Ctrl-C stops")
        os.kill(her.births()[1], signal.SIGKILL)
        her.wait_for("stt was ended by signal 9; starting it again")
        assert gone([child])
        her.wait_for("stt ready after", times=2)
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        her.wait_for(r"stt child (\d+)", times=2)
        assert gone([int(m[1]) for line in her.log if (m := re.search(r"stt child (\d+)", line))])


def test_a_daemon_that_dies_comes_back_and_the_others_are_untouched(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        os.kill(int(her.wait_for(r"tts born (\d+)")[1]), signal.SIGKILL)
        her.wait_for("tts was ended by signal 9; starting it again")
        her.wait_for("tts ready after", times=2)
        her.process.send_signal(signal.SIGTERM)
        assert her.ended() == 0
        assert len(her.births()) == 5


def test_a_daemon_that_keeps_crashing_ends_the_start_with_status_1(tmp_path: Path) -> None:
    with family(tmp_path, "stt=crash") as her:
        assert her.ended() == 1
        her.wait_for("stt ended with status 3; not started again: too many restarts")
        assert not any("phone born" in line for line in her.log)
        her.wait_for("llm says goodbye")


def test_wrong_configuration_is_not_tried_twice_and_ends_all_with_status_78(tmp_path: Path) -> None:
    with family(tmp_path, "stt=misconfigured") as her:
        assert her.ended() == 78
        assert len([line for line in her.log if "stt born" in line]) == 1
        her.wait_for("stt has a mistake in its configuration: mend what its line above names")
        her.wait_for("llm says goodbye")
        assert not any("phone born" in line for line in her.log)


def test_a_stop_while_one_is_still_loading(tmp_path: Path) -> None:
    with family(tmp_path, "tts=mute") as her:
        her.wait_for("tts born")
        her.process.send_signal(signal.SIGINT)
        assert her.ended() == 0
        assert gone(her.births())


def test_lines_that_do_not_name_their_unit_get_it(tmp_path: Path) -> None:
    with family(tmp_path) as her:
        her.wait_for("Ctrl-C stops")
        her.wait_for(r"^LLM      \| llm born \d+$")
        her.wait_for(r"^\d\d:\d\d:\d\d\.\d{3} LOADER   INFO = starting llm$")
