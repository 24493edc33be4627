"""`her-os` as an operator meets it: a real process, its output and its exit status."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from her_os import __version__
from her_os.cli.app import COMMANDS
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TOKENS = (ROOT / "config" / "her-os-secrets.env.example").read_text()


def her_os(*arguments: str, folder: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "her_os.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "120", "TERM": "dumb", **environ}
    return subprocess.run(
        command, cwd=folder or ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose every port is free at the moment."""
    free = [free_port() for _ in range(6)]
    file = tmp_path / "her-os.yaml"
    file.write_text(
        f"llm: {{port: {free[0]}}}\nstt: {{port: {free[1]}}}\ntts: {{port: {free[2]}}}\n"
        f"phone: {{api_port: {free[3]}, sip_port: 0}}\nloader: {{port: {free[4]}}}\n"
        f"wake: {{port: {free[5]}, enabled: false}}\n"
    )
    return file


def write_secrets() -> None:
    subprocess.run([ROOT / "config" / "dev-setup.sh"], check=True, capture_output=True)


def test_help_names_every_command_and_version_is_said() -> None:
    result = her_os("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command.name} +{re.escape(command.help[:30])}", result.stdout), command.name
    assert her_os("--version").stdout.strip() == f"her-os {__version__}"


def test_help_loads_no_command() -> None:
    script = "import sys, her_os.cli; print(*sorted(m for m in sys.modules if m.startswith('her_os.')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [module for module in loaded if "daemons" in module or "engines" in module or "telephony" in module]


@pytest.mark.parametrize(
    ("arguments", "status"), [(["nonsense"], 2), (["run", "--nonsense"], 2), (["daemon", "toaster"], 2), ([], 2)]
)
def test_a_slip_of_the_tongue_is_a_usage_error(arguments: list[str], status: int) -> None:
    result = her_os(*arguments)
    assert result.returncode == status
    assert "Usage: her-os" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_config_check_is_content_with_what_is_shipped() -> None:
    write_secrets()
    result = her_os("config", "check")
    assert result.returncode == 0, result.stderr
    assert "config/her-os.yaml" in result.stdout


@pytest.mark.parametrize("arguments", [["config", "check"], ["config", "show"], ["status"], ["run"], ["phone", "list"]])
def test_a_mistake_in_the_configuration_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("phone:\n  sip_prot: 1\n")
    result = her_os(*arguments, "--config", str(file))
    assert result.returncode == 78
    assert result.stderr.splitlines() == [
        f"her-os: {file}:2: phone.sip_prot: unknown field; did you mean `sip_port`?",
    ]


def test_a_mistake_that_a_command_finds_by_itself_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("phone: {}\nmail:\n  host: ''\n")
    result = her_os("mail", "test", "--config", str(file))
    assert result.returncode == 78
    assert result.stderr == f"her-os: {file}:3: mail.host: is empty: no mail is sent\n"


def test_config_show_is_a_file_that_could_be_loaded_and_has_no_secret(tmp_path: Path) -> None:
    write_secrets()
    shown = her_os("config", "show", ENABLE_BARGE_IN="1")
    values = yaml.safe_load(shown.stdout)
    assert values["environment"]["enable_barge_in"] is True
    assert values == json.loads(her_os("config", "show", "--json", ENABLE_BARGE_IN="1").stdout)
    for line in Path(os.environ["HER_OS_SECRETS_FILE"]).read_text().splitlines():
        assert line.partition("=")[2] not in shown.stdout
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump({k: v for k, v in values.items() if k not in {"source", "environment"}}))
    assert her_os("config", "show", "--config", str(again)).returncode == 0


def test_status_of_a_family_that_is_down(config: Path) -> None:
    result = her_os("status", "--config", str(config), "--json")
    assert result.returncode == 1
    shown = json.loads(result.stdout)
    assert shown["state"] == "no loader"
    rows = shown["services"]
    assert [(row["name"], row["state"]) for row in rows] == [
        (n, "down") for n in ("kwd", "llm", "stt", "stt_batch", "tts", "phone")
    ]
    assert "down" in her_os("status", "--config", str(config)).stdout


def test_run_without_secrets_says_how_to_get_them(config: Path) -> None:
    result = her_os("run", "--config", str(config))
    assert result.returncode == 78
    assert "config/dev-setup.sh" in result.stderr
    assert "Traceback" not in result.stderr


def test_run_names_the_owner_of_a_port_that_is_taken(config: Path) -> None:
    write_secrets()
    port = yaml.safe_load(config.read_text())["tts"]["port"]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
        result = her_os("run", "--config", str(config))
    assert result.returncode == 69
    assert f"port {port}/tcp (tts.port, for tts) is taken by pid {os.getpid()}: " in result.stderr
    assert "starting" not in result.stderr


def test_a_daemon_with_a_wrong_configuration_ends_with_status_78(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("tts: {port: x}\n")
    result = her_os("daemon", "tts", "--config", str(file))
    assert result.returncode == 78
    assert re.fullmatch(r"[\d:.]+ TTS      ERROR = .*c\.yaml:1: tts\.port: expected `int`, got `str`\n", result.stderr)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("tts", "tts:\n  engine: espeak\n  voice: bob\n", ":3: tts.voice: espeak has no voice 'bob'; known: en-us, en"),
        ("tts", "tts:\n  engine: festival\n", ":2: tts.engine: is 'festival'; known engines: chatterbox, "),
        ("phone", "phone:\n  sip_host: 240.0.0.1\n", ":2: phone.sip_host: is '240.0.0.1', where this machine cannot"),
        ("stt", "stt:\n  domain_phrases: gone\n", ":2: stt.domain_phrases: there is no file "),
    ],
)
def test_a_daemon_that_finds_a_mistake_at_its_start_names_the_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    write_secrets()
    file = tmp_path / "c.yaml"
    file.write_text(text)
    result = her_os("daemon", name, "--config", str(file))
    assert result.returncode == 78
    [line] = result.stderr.splitlines()
    assert f"ERROR = {file}{words}" in line


def test_run_stops_with_status_78_when_a_daemon_finds_a_mistake(config: Path) -> None:
    write_secrets()
    config.write_text(config.read_text().replace("llm: {", "llm: {model: gone.gguf, "))
    result = her_os("run", "--config", str(config))
    assert result.returncode == 78
    assert (
        f"LLM      ERROR = {config}:1: llm.model: there is no file {config.with_name('gone.gguf')}; " in result.stderr
    )
    assert result.stderr.count("starting llm") == 1
    assert "starting tts" not in result.stderr
    assert "Traceback" not in result.stderr


def test_config_check_tells_every_mistake_at_once(tmp_path: Path) -> None:
    write_secrets()
    file = tmp_path / "c.yaml"
    file.write_text("phone:\n  codecs: []\nstt: {port: 8772}\ntts:\n  engine: festival\ncontacts: gone.yaml\n")
    result = her_os("config", "check", "--config", str(file))
    assert result.returncode == 78
    places = [line.split(": ")[1:3] for line in result.stderr.splitlines()]
    assert places == [
        [f"{file}:3", "stt.port"],
        [f"{file}:2", "phone.codecs"],
        [f"{file}:6", "contacts"],
        [f"{file}:5", "tts.engine"],
    ]


def test_a_daemon_ends_at_once_if_its_supervisor_is_already_gone() -> None:
    assert her_os("daemon", "tts", "--die-with", "1").returncode == 137
