"""What each key of `loader:` and `services:` makes of a service: its command, environment, files, times."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from her_os.contracts.errors import ConfigError, HerOsError
from her_os.daemons import model_files
from her_os.daemons.family import all_endpoints
from her_os.daemons.greeting_voice import DaemonVoice
from her_os.daemons.llm import with_mapping
from her_os.daemons.loader_parts import boot_history, gates, restart_policy, start_plan
from her_os.daemons.model_files import touch_files_of
from her_os.daemons.spawned_service import service_command, service_environment
from her_os.daemons.this_machine import port_hygiene
from her_os.daemons.warm_up import warm_up_of
from her_os.engines.llama_server_command import server_options
from her_os.loader.boot_history import BootRecord
from her_os.service.child_process import ChildProcess
from her_os.service.process_table import SPAWNED_BY, own_mark
from her_os.settings import Secrets, Settings
from her_os.settings.yaml_file import parse_yaml

SECRETS = Secrets(*(f"{name}-token-of-the-tests" for name in ("stt", "tts", "llm", "phone", "loader")))


def settings(text: str = "") -> Settings:
    return parse_yaml(text, Settings, file="her-os.yaml")


def test_an_empty_command_is_our_own_daemon_and_python_is_our_python() -> None:
    ours = service_command("stt", settings().services.stt)
    assert ours[1:5] == ["-m", "her_os.cli", "daemon", "stt"]
    assert ours[-2:] == ["--die-with", str(os.getpid())]
    other = settings("services: {stt: {cmd: [python, -m, my_stt, --fast]}}").services.stt
    assert service_command("stt", other)[-4:] == [sys.executable, "-m", "my_stt", "--fast"]


async def test_a_command_of_the_owner_is_run_and_dies_with_us(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import ctypes, sys; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n))\n"
        "print(sys.argv[1:], n.value)"
    )
    service = settings(f"services: {{tts: {{cmd: [python, {script}, a]}}}}").services.tts
    lines: list[str] = []
    child = ChildProcess(service_command("tts", service), dict(os.environ), lines.append, workdir=tmp_path)
    await child.start()
    assert await child.wait() == 0
    assert lines == ["['a'] 9"], "PR_GET_PDEATHSIG: it is killed when we are"


def test_what_the_environment_of_a_service_says(tmp_path: Path) -> None:
    text = "loader: {cuda: {module_loading: EAGER, torch_alloc_conf: x}}\nservices: {stt: {threads: 3}}"
    it = settings(text)
    environ = service_environment(it, it.services.stt, {"HOME": "/h", "JOURNAL_STREAM": "8:9"}, tmp_path / "n")
    assert environ["CUDA_MODULE_LOADING"] == "EAGER"
    assert environ["PYTORCH_CUDA_ALLOC_CONF"] == "x"
    assert environ["OMP_NUM_THREADS"] == environ["OPENBLAS_NUM_THREADS"] == environ["MKL_NUM_THREADS"] == "3"
    assert environ[SPAWNED_BY] == own_mark()
    assert "JOURNAL_STREAM" not in environ
    assert not [value for value in environ.values() if "token" in value]
    plain = service_environment(settings(), settings().services.llm, {}, tmp_path / "n")
    assert plain["CUDA_MODULE_LOADING"] == "LAZY"
    assert plain["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True,max_split_size_mb:64"
    assert "OMP_NUM_THREADS" not in plain


def test_times_and_policy_come_from_the_file(tmp_path: Path) -> None:
    it = settings(
        "loader:\n  timeouts: {llm_ready_sec: 33}\n  autotune_timeouts: false\n  readiness_poll_ms: 40\n"
        "  health_check_interval_sec: 7\n  graceful_shutdown: {per_service_grace_sec: 1, kill_after_sec: 2}\n"
        "  restart_policy: {type: always, max_restarts: 9, window_sec: 8, "
        "backoff: {initial_sec: 1, factor: 3, max_sec: 4}}\n"
        "  prewarm_next_service: false\n  fail_fast_on_repeated_failures: true\n"
        "  startup_sequence: [llm, phone]\n  shutdown_sequence: [phone, llm]\n"
    )
    history = boot_history(it)
    for _ in range(5):
        history.boots.append(BootRecord(total_boot_s=100, ready_s={"llm": 60}))
    gate = gates(it, "llm", history)
    assert (gate.ready_timeout_s, gate.poll_s, gate.stop_grace_s, gate.health_interval_s) == (33, 0.04, 1, 7)
    tuned = msgspec.structs.replace(it, loader=msgspec.structs.replace(it.loader, autotune_timeouts=True))
    assert gates(tuned, "llm", history).ready_timeout_s == 120
    policy = restart_policy(it)
    assert (policy.kind, policy.max_restarts, policy.window_s) == ("always", 9, 8)
    assert (policy.initial_s, policy.factor, policy.max_s) == (1, 3, 4)
    plan = start_plan(it, needs_all=True)
    assert (plan.start_order, plan.stop_order) == (("llm", "phone"), ("phone", "llm"))
    assert (plan.prewarm_next, plan.fail_fast) == (False, True)


def test_ports_of_the_sections_and_the_extra_ones_are_looked_at() -> None:
    it = settings("loader: {port_hygiene: {ports: {stt: 5002}, unix_sockets: [/run/x.sock], pid_files: [/run/x.pid]}}")
    assert ("stt", 5002, "loader.port_hygiene.ports.stt") in [(e.daemon, e.port, e.setting) for e in all_endpoints(it)]
    assert {"llm.port", "stt.port", "tts.port", "phone.api_port", "phone.sip_port", "loader.port"} < {
        endpoint.setting for endpoint in all_endpoints(it)
    }
    assert port_hygiene(it, all_endpoints(it)) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"model", "dictionary"}),
        ("loader: {io_prewarm: {enable_memmap: false}}", {"dictionary"}),
        ("loader: {io_prewarm: {pre_touch_tokenizers: false}}", {"model"}),
        ("services: {stt: {mmapped: false}}", {"dictionary"}),
        ("services: {stt: {cmd: [mine]}}", set[str]()),
    ],
)
def test_which_files_are_brought_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: set[str]
) -> None:
    (tmp_path / "en-us").mkdir()
    (tmp_path / "en-us" / "mdef").write_bytes(bytes(1000))
    (tmp_path / "cmudict.dict").write_bytes(bytes(7))
    monkeypatch.setattr(model_files, "_pocketsphinx_folder", lambda: tmp_path)
    sizes = {"model": 1000, "dictionary": 7}
    assert touch_files_of("stt", settings(text)) == sum(sizes[name] for name in expected)


def test_the_model_of_a_worker_is_brought_into_memory(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(500))
    (tmp_path / "tokenizer.json").write_bytes(bytes(30))
    assert touch_files_of("stt_batch", settings(f"stt_batch: {{engine: faster-whisper, model: {tmp_path}}}")) == 530
    assert touch_files_of("stt", settings("stt: {engine: faster-whisper, model: small.en}")) == 0


def test_the_language_model_is_brought_into_memory_and_what_has_no_files_is_not() -> None:
    assert touch_files_of("llm", settings()) == server_options(settings()).model.stat().st_size
    assert touch_files_of("llm", settings("llm: {model: /no/such.gguf}")) == 0
    assert touch_files_of("phone", settings()) == 0


HELP = {"new": "echo '--load-mode MODE'", "old": "echo '--no-mmap'"}


@pytest.mark.parametrize(("version", "flags"), [("new", ("--load-mode", "none")), ("old", ("--no-mmap",))])
def test_a_model_that_is_not_mapped(tmp_path: Path, version: str, flags: tuple[str, ...]) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text(f"#!/bin/sh\n{HELP[version]}\n")
    binary.chmod(0o755)
    it = settings("services: {llm: {mmapped: false}}\nllm: {extra_args: [--mlock]}")
    options = server_options(it)
    assert with_mapping(it, options, binary).extra_args == (*flags, "--mlock")
    with pytest.raises(ConfigError, match=r"services\.llm\.mmapped: must be true without a real llama-server"):
        with_mapping(it, options, None)
    assert with_mapping(settings(), options, None) is options


class Daemon:
    """Answers as the language model and the voice do; remembers what it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[tuple[str, bytes, str]] = []
        self._status = status

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, await request.read(), request.headers.get("Authorization", "")))
        if self._status != 200:
            return web.Response(status=self._status, text="no")
        return web.Response(body=bytes(3200), headers={"Content-Type": "audio/pcm;rate=16000"})


async def asked(daemon: Daemon, use: Callable[[int], object]) -> None:
    app = web.Application()
    app.add_routes([web.post("/{path:.*}", daemon.answer)])
    async with TestServer(app) as server:
        assert server.port is not None
        outcome = use(server.port)
        assert asyncio.iscoroutine(outcome)
        await outcome


async def test_the_language_model_is_warmed_with_the_configured_tokens() -> None:
    daemon = Daemon()
    await asked(
        daemon,
        lambda port: warm_up_of(
            "llm", settings(f"llm: {{port: {port}}}\nservices: {{llm: {{warmup_token: 3}}}}"), SECRETS
        )(),
    )
    [(path, body, key)] = daemon.asked
    assert path == "/v1/chat/completions"
    assert b'"max_tokens": 3' in body
    assert key == f"Bearer {SECRETS.llm_api_key}"


async def test_the_voice_is_warmed_by_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    await asked(daemon, lambda port: warm_up_of("tts", settings(f"tts: {{port: {port}}}"), SECRETS)())
    [(path, body, _)] = daemon.asked
    assert path == "/v1/synthesize"
    assert b"Hello." in body


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llm", "services: {llm: {warmup_token: 0}}"),
        ("stt", "services: {stt: {warmup_encoder_ms: 0}}"),
        ("tts", "services: {tts: {warmup: false}}"),
        ("phone", ""),
    ],
)
async def test_a_warm_up_that_is_off_asks_nobody(name: str, text: str) -> None:
    await warm_up_of(name, settings(text), SECRETS)()


@pytest.mark.parametrize("name", ["llm", "tts"])
async def test_a_warm_up_that_is_refused_raises_our_error(name: str) -> None:
    daemon = Daemon(status=503)
    with pytest.raises(HerOsError):
        await asked(daemon, lambda port: warm_up_of(name, settings(f"{name}: {{port: {port}}}"), SECRETS)())


async def test_the_greeting_s_length_is_that_of_its_sound() -> None:
    async def speak(port: int) -> None:
        voice = DaemonVoice(settings(f"tts: {{port: {port}}}"), SECRETS)
        assert await voice.synthesise("Hi Master.") == pytest.approx(100)
        assert await voice.play() is False

    daemon = Daemon()
    await asked(daemon, speak)
    assert b"Hi Master." in daemon.asked[0][1]
    assert daemon.asked[0][2] == f"Bearer {SECRETS.tts_token}"
