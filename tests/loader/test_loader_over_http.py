"""One running family with prewarm: its HTTP API, its metrics, the CLI, a daemon that hangs, a stop and a start."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from her_os.cli.app import main
from tests.fakes.daemon_family import SECRETS
from tests.loader.process_family import CONFIG, Family, family
from tests.ports import free_port

TOKEN = SECRETS.loader_token


@dataclass
class Running:
    family: Family
    url: str
    config: Path
    secrets: Path

    def ask(self, path: str, method: str = "GET", token: str = TOKEN) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                body = response.read().decode()
                status = response.status
        except urllib.error.HTTPError as error:
            with error:
                body, status = error.read().decode(), error.code
        return status, json.loads(body) if body.startswith("{") else body

    def status(self) -> dict[str, Any]:
        return self.ask("/v1/status")[1]

    def service(self, name: str) -> dict[str, Any]:
        return next(service for service in self.status()["services"] if service["name"] == name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("family")
    port, tts = free_port(), free_port()
    text = CONFIG.replace("port: 0\n  startup", f"port: {port}\n  startup").replace(
        "tts: {port: 0}", f"tts: {{port: {tts}}}"
    )
    text = text.replace("prewarm_next_service: false", "prewarm_next_service: true")
    secrets = folder / "secrets.env"
    secrets.write_text(
        "".join(f"HER_OS_{name.upper()}={getattr(SECRETS, name)}\n" for name in type(SECRETS).__struct_fields__)
    )
    secrets.chmod(0o600)
    with family(folder, f"tts={tts}", config_text=text) as her:
        her.wait_for("Ctrl-C stops")
        yield Running(her, f"http://127.0.0.1:{port}", folder / "her-os.yaml", secrets)


def test_the_next_is_started_before_its_turn_and_goes_on_when_it_comes(running: Running) -> None:
    log = running.family.order_of("llm born", "stt goes on", "tts goes on", "phone goes on", "SYSTEM_READY")
    assert log == sorted(log)
    for before, after in (("llm", "stt"), ("stt", "tts"), ("tts", "phone")):
        born, turn = running.family.order_of(f"{after} born", f"{after} goes on")
        ready = running.family.order_of(f"{before} ready after")[0]
        assert born < turn
        assert ready < turn
    times = {service["name"]: service["times"] for service in running.status()["services"]}
    assert times["stt"]["prepare_async_ms"] > 0
    assert times["llm"]["prepare_async_ms"] is None
    assert all(times[name]["time_to_ready_ms"] > 0 for name in times)


def test_the_status_tells_of_everything_and_only_to_who_has_the_token(running: Running) -> None:
    status = running.status()
    assert (status["state"], status["mode"]) == ("SYSTEM_READY", "spawning")
    assert {service["name"]: service["state"] for service in status["services"]} == dict.fromkeys(
        ("llm", "stt", "tts", "phone"), "ready"
    )
    assert status["boot"]["total_boot_ms"] > 0
    assert status["boot"]["boots_in_history"] == 1
    assert {stage["stage"] for stage in status["waterfall"]} == {"prepare", "start", "ready", "warm"}
    for path in ("/v1/status", "/v1/vram", "/v1/logs/tts"):
        assert running.ask(path, token="not-the-token-of-anybody")[0] == 401
    assert running.ask("/v1/vram")[1]["stage"] == "asked for"
    assert running.ask("/health")[0] == 200


def test_metrics_name_every_figure(running: Running) -> None:
    text = running.ask("/metrics")[1]
    for line in (
        'her_os_loader_state{state="SYSTEM_READY"} 1.0',
        'her_os_loader_state{state="DEGRADED"} 0.0',
        'her_os_service_state{service="tts",state="ready"} 1.0',
        'her_os_service_time_to_ready_ms{service="llm"}',
        'her_os_service_prepare_async_ms{service="stt"}',
        'her_os_service_start_ms{service="phone"}',
        'her_os_service_warmup_ms{service="phone"}',
        "her_os_loader_total_boot_ms ",
        "her_os_loader_total_boot_p95_ms ",
        "her_os_loader_greetings 0.0",
    ):
        assert line in text, line


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/logs/toaster", 404, "known: llm, stt, tts, phone"),
        ("GET", "/v1/logs/tts?lines=many", 400, "whole number"),
        ("POST", "/v1/restart/toaster", 404, "there is no service 'toaster'"),
        ("POST", "/v1/start", 409, "only what is STOPPED can be started"),
        ("GET", "/v1/restart/tts", 405, "Method Not Allowed"),
    ],
)
def test_what_cannot_be_done_is_said(running: Running, method: str, path: str, status: int, said: str) -> None:
    answer = running.ask(path, method)
    assert answer[0] == status
    assert said in str(answer[1])


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def her_os(running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process: status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["her-os", *arguments, "--config", str(running.config)])
        monkeypatch.setenv("HER_OS_SECRETS_FILE", str(running.secrets))
        monkeypatch.setenv("COLUMNS", "140")
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_status_and_logs_on_the_command_line(running: Running, her_os: Cli) -> None:
    code, table, _ = her_os("status")
    assert code == 0
    assert "SYSTEM_READY, spawning" in table
    assert f"{running.service('tts')['pid']}" in table
    shown = json.loads(her_os("status", "--json")[1])
    assert shown["boot"] == running.status()["boot"]
    assert her_os("logs", "stt", "-n", "2") == (0, "stt prepared\nstt goes on\n", "")
    code, _, said = her_os("logs", "toaster")
    assert code == 1
    assert said.startswith("her-os: there is no service 'toaster'")


def test_status_is_shown_live_until_interrupted(running: Running, her_os: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def interrupted(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("her_os.cli.status.time.sleep", interrupted)
    code, _, _ = her_os("status", "--watch", "--interval", "0.5")
    assert (code, looks) == (130, [0.5, 0.5])


def test_a_restart_on_the_command_line_gives_a_new_process(running: Running, her_os: Cli) -> None:
    before = running.service("stt")["pid"]
    result = her_os("restart", "stt")
    after = running.service("stt")["pid"]
    assert result == (0, f"stt is ready (pid {after})\n", "")
    assert after != before
    assert running.service("stt")["last_failure"] == ""


def test_a_daemon_that_is_stopped_and_stays_mute_is_restarted(running: Running) -> None:
    her, before = running.family, running.service("tts")["pid"]
    os.kill(before, signal.SIGSTOP)
    her.wait_for(r"tts failed 3 health checks in a row and was stopped; starting it again")
    her.wait_for("tts ready after", times=2)
    assert running.service("tts")["pid"] not in {None, before}
    assert running.service("tts")["restarts"] == 1
    her.wait_for(r"tts failed a health check \(1 of 3\)")


def test_everything_is_stopped_and_started_over_http(running: Running) -> None:
    """The last one: it leaves the family stopped."""
    her = running.family
    before = len(her.log)
    status, body = running.ask("/v1/stop", "POST")
    assert (status, body["state"]) == (200, "STOPPED")
    her.wait_for("Shutdown complete")
    del her.log[:before]
    stops = her.order_of("phone says", "tts says", "stt says", "llm says", "ports clean", "Shutdown complete")
    assert stops == sorted(stops)
    assert running.ask("/v1/start", "POST")[0] == 202
    her.wait_for("SYSTEM_READY: total_boot")
    her.process.send_signal(signal.SIGTERM)
    assert her.ended() == 0
    her.wait_for("Shutdown complete", times=2)
