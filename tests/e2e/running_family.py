"""`her-os run` as its user runs it, on free ports in a private folder; its log can be read and waited for."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from her_os.household.call_log import read_call, read_calls
from tests.ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
_RTP_PORTS = 40


class Family:
    """The running assistant."""

    def __init__(self, folder: Path, settings: dict[str, Any], environ: dict[str, str]) -> None:
        self.folder, self.settings, self._environ = folder, settings, environ
        self.sip_port: int = settings["phone"]["sip_port"]
        self.state_dir = folder / "state"
        self._log = folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "her-os.yaml"

    @property
    def uri(self) -> str:
        """What a phone dials."""
        return f"sip:her@127.0.0.1:{self.sip_port}"

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def wait_for_log(self, pattern: str, timeout_s: float = 60, since: int = 0) -> re.Match[str]:
        """Wait for a line; raises AssertionError with the log when the process ends or time is up."""
        async with asyncio.timeout(timeout_s):
            while True:
                if match := re.compile(pattern).search(self.log(), since):
                    return match
                assert self._process is not None
                assert self._process.poll() is None, f"her-os ended:\n{self.log()}"
                await asyncio.sleep(0.05)

    def daemon(self, name: str) -> psutil.Process:
        """The process of one daemon: `daemon NAME` on its command line (the language model may be llama-server)."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            command = child.cmdline()
            if name in command or (name == "llm" and "llama-server" in " ".join(command)):
                return child
        raise AssertionError(f"no daemon {name} is running:\n{self.log()}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One `her-os` command against this family."""
        command = [sys.executable, "-m", "her_os.cli", *arguments]
        return subprocess.run(command, env=self._environ, cwd=self.folder, capture_output=True, text=True, timeout=60)

    def secret(self, name: str) -> str:
        """One of this family's own."""
        lines = (self.folder / "secrets.env").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))

    async def last_call(self) -> dict[str, Any]:
        """The newest call as the log has it, once it is closed."""
        path = self.state_dir / "calls.sqlite3"
        async with asyncio.timeout(10):
            while True:
                calls = read_calls(path, 1)
                if calls and calls[0]["outcome"] != "open":
                    call = read_call(path, calls[0]["id"])
                    assert call is not None
                    return call
                await asyncio.sleep(0.1)

    def start(self) -> None:
        command = [sys.executable, "-m", "her_os.cli", "run", "--config", str(self.config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environ, cwd=self.folder, stderr=log, stdout=log)

    async def stop(self) -> int:
        """Ctrl-C; returns the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return await asyncio.to_thread(self._process.wait, 30)


@asynccontextmanager
async def running_family(
    folder: Path,
    *,
    barge_in: bool = True,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    log_level: str = "INFO",
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[Family]:
    """Start the family and wait until it takes calls. `changes` go on top of the test's own settings, by section."""
    environ = _environment(folder, barge_in=barge_in) | {"HER_OS_LOG_LEVEL": log_level}
    family = _prepare(folder, changes or {}, environ)
    with (folder / "secrets.env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in (secrets or {}).items())
    family.start()
    try:
        await family.wait_for_log("SYSTEM_READY")
        yield family
    finally:
        await family.stop()


def _prepare(folder: Path, changes: Mapping[str, Mapping[str, Any]], environ: dict[str, str]) -> Family:
    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings(changes)
    (folder / "her-os.yaml").write_text(yaml.safe_dump(settings))
    setup = [str(ROOT / "config" / "dev-setup.sh"), str(folder / "secrets.env")]
    subprocess.run(setup, check=True, stdout=subprocess.DEVNULL)
    return Family(folder, settings, environ)


def _settings(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    llm, stt, batch, tts, api, sip, loader, wake = (free_port() for _ in range(8))
    rtp = free_ports(_RTP_PORTS)
    settings: dict[str, Any] = {
        "phone": {
            "api_port": api,
            "sip_port": sip,
            "sip_host": "127.0.0.1",
            "rtp_port_min": rtp,
            "rtp_port_max": rtp + _RTP_PORTS - 1,
            "log_speech": True,
        },
        "llm": {"port": llm},
        "loader": {"port": loader, "restart_policy": {"max_restarts": 5, "backoff": {"initial_sec": 0.5}}},
        "stt": {"port": stt, "domain_phrases": str(ROOT / "config" / "domain-phrases.txt")},
        "stt_batch": {"port": batch},
        "tts": {"port": tts},
        "wake": {"port": wake},
        "contacts": str(ROOT / "config" / "contacts.yaml"),
    }
    if "wake" not in changes:  # nobody speaks in the room or sends files, so nobody waits for these to start
        settings["loader"] |= {
            "startup_sequence": ["stt", "llm", "tts", "phone"],
            "shutdown_sequence": ["phone", "tts", "llm", "stt"],
        }
    for section, values in changes.items():
        settings.setdefault(section, {}).update(values)
    return settings


def _environment(folder: Path, *, barge_in: bool) -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if not key.startswith("HER_OS_")}
    return keep | {
        "ENABLE_BARGE_IN": "1" if barge_in else "0",
        "HER_OS_STATE_DIR": str(folder / "state"),
        "HER_OS_CACHE_DIR": str(folder / "cache"),
        "HER_OS_SECRETS_FILE": str(folder / "secrets.env"),
        "PYTHONUNBUFFERED": "1",
    }
