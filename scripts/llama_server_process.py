"""Starts `her-os daemon llm` for tests and benchmarks, on a free port, with settings, secrets and a log of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import yaml

from her_os.settings import Settings, load_secrets, load_settings

ROOT = Path(__file__).resolve().parents[1]
START_S = 60.0


def built_binary() -> Path:
    """Where `./start.sh --build-llama-server` puts the real llama-server."""
    command = [str(ROOT / "scripts" / "build_llama_server.sh"), "--where"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


class LlamaServerProcess:
    """One language model daemon. `binary` None: the wheel's server, whatever is installed."""

    def __init__(self, folder: Path, llm: dict[str, Any], *, binary: Path | None, max_calls: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "llm.log"
        config, secrets = folder / "her-os.yaml", folder / "secrets.env"
        llm = {"port": free_port(), **llm} | ({"server_binary": str(binary)} if binary else {})
        config.write_text(yaml.safe_dump({"llm": llm, "phone": {"max_calls": max_calls}}))
        subprocess.run([str(ROOT / "config" / "dev-setup.sh"), str(secrets)], check=True, stdout=subprocess.DEVNULL)
        self.settings: Settings = load_settings(config, {})
        self.api_key = load_secrets(secrets, {}).llm_api_key
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HER_OS_", "LLAMA_"))}
        environment |= {"HER_OS_SECRETS_FILE": str(secrets), "HER_OS_STATE_DIR": str(folder / "state")}
        environment["HER_OS_LOG_LEVEL"] = "DEBUG"  # llama.cpp's own log tells when a slot is free
        if binary is None:
            environment |= {"HER_OS_CACHE_DIR": str(folder / "no-cache"), "PATH": str(folder / "no-path")}
        command = [sys.executable, "-m", "her_os.cli", "daemon", "llm", "--config", str(config)]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    def health(self) -> int:
        """The status of `/health`; 0 while nobody listens."""
        url = f"http://{self.settings.llm.host}:{self.settings.llm.port}/health"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def wait_ready(self) -> list[int]:
        """Wait for `/health` to be 200. Returns the different answers on the way, in order."""
        seen: list[int] = []
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            status = self.health()
            if seen[-1:] != [status]:
                seen.append(status)
            if status == 200:
                return seen
            time.sleep(0.02)
        raise AssertionError(f"the server did not become ready ({seen}):\n{self.log()}")

    def log(self) -> str:
        """Everything it has logged."""
        return self.log_file.read_text(errors="replace")

    def with_llm(self, **changes: Any) -> Settings:
        """The settings with some of the language model's changed."""
        return msgspec.structs.replace(self.settings, llm=msgspec.structs.replace(self.settings.llm, **changes))

    def stop(self) -> int:
        """TERM, TERM, KILL: a real llama-server ignores the first while a stream is open. Returns the status."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
        return self.process.wait()


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
