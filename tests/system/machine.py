"""A machine with a systemd of its own, on top of this one's files; what it writes is thrown away."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = ROOT / "scripts" / "systemd-sandbox"
DAEMONS = ("llm", "stt", "tts", "stt-batch", "wake", "phone")
CALL = ("/usr/local/bin/her-os", "call", "--to", "sip:her@127.0.0.1", "--json", "--duration")
"""A call of the test phone; the number of seconds is to follow."""


class Machine:
    """Boots `scripts/systemd-sandbox` in `box`."""

    def __init__(self, box: Path) -> None:
        self._box = box

    def boot(self) -> None:
        subprocess.run([SANDBOX, "start", "--box", self._box, "--keep"], check=True, timeout=90)
        self.run("ip", "link", "set", "lo", "up")

    def halt(self) -> None:
        subprocess.run([SANDBOX, "stop", "--box", self._box], check=True, timeout=60)

    def command(self, *words: str) -> list[str]:
        return [str(SANDBOX), "exec", "--box", str(self._box), *words]

    def run(self, *words: str, check: bool = True) -> str:
        """Output of a program inside; both streams."""
        done = subprocess.run(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def her_os(self, *words: str) -> str:
        """`her-os` of this checkout, inside."""
        return self.run("env", f"PYTHONPATH={ROOT / 'src'}", f"{ROOT}/.venv/bin/python", "-m", "her_os.cli", *words)

    def show(self, unit: str, field: str) -> str:
        return self.run("systemctl", "show", "-P", field, f"her-os-{unit}.service").strip()

    def pid(self, unit: str) -> int:
        return int(self.show(unit, "MainPID"))

    def signal(self, unit: str, name: str) -> None:
        pid = self.pid(unit)
        assert pid > 1
        self.run("kill", f"-{name}", str(pid))

    def active(self, unit: str) -> bool:
        return self.show(unit, "ActiveState") == "active"

    def journal(self, *words: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "-o", "cat", *words)

    def start_family(self) -> None:
        self.run("systemctl", "reset-failed")
        self.run("systemctl", "start", "her-os.target")
        assert all(self.active(name) for name in DAEMONS), self.journal("-u", "her-os*", "-n", "60")

    def stop_family(self) -> float:
        """Stop everything; how many seconds it took."""
        began = time.monotonic()
        self.run("systemctl", "stop", "her-os.target", "her-os.slice")
        return time.monotonic() - began


def call_events(text: str) -> list[dict[str, Any]]:
    """The timeline of `her-os call --json`."""
    return json.loads(text[text.index("{") :])["timeline"]


def wait_for(condition: Callable[[], bool], timeout_s: float) -> float:
    """Seconds until `condition` holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, "it did not come in time"
        time.sleep(0.1)
    return time.monotonic() - began
