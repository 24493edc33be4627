"""her-os-llm as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.contracts.errors import LanguageModelError
from her_os.contracts.language_model import Message, TextDelta

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from llama_server_process import LlamaServerProcess, built_binary
from random_gguf import write_random_gguf

Start = Callable[..., LlamaServerProcess]
HELLO = [Message("user", "hello")]
KINDS = ["wheel", pytest.param("binary", marks=pytest.mark.llama_server)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_gguf(tmp_path_factory.mktemp("model") / "random.gguf", width=384, layers=8)


@pytest.fixture
def start(tmp_path: Path, model: Path) -> Iterator[Start]:
    """Start daemons; they are stopped in the end."""
    with ExitStack() as stack:

        def start_one(kind: str = "wheel", **llm: Any) -> LlamaServerProcess:
            binary = built_binary() if kind == "binary" else None
            settings = {"model": str(model), "max_tokens": 3000, **llm}
            process = LlamaServerProcess(tmp_path / "llm", settings, binary=binary)
            stack.callback(process.stop)
            return process

        yield start_one


@pytest.mark.parametrize("kind", KINDS)
def test_health_tells_loading_from_ready(start: Start, kind: str) -> None:
    server = start(kind)
    seen = server.wait_ready()
    assert seen[-1] == 200
    assert set(seen) <= {0, 503, 200}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(start: Start, kind: str, number: signal.Signals) -> None:
    server = start(kind)
    server.wait_ready()
    server.process.send_signal(number)
    assert server.process.wait(10) in (0, -number)


def test_a_signal_ends_the_wheels_server_in_the_middle_of_loading_too(start: Start) -> None:
    server = start()
    while "no llama-server here" not in server.log():
        assert server.process.poll() is None, server.log()
    server.process.terminate()
    assert server.process.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_in_the_middle_of_a_reply(start: Start, kind: str) -> None:
    server = start(kind)
    server.wait_ready()
    client = LlamaServerClient(server.settings.llm, server.api_key)
    async with client.reply(HELLO, []) as events:
        assert isinstance(await anext(events), TextDelta)
        server.process.kill()
        with pytest.raises(LanguageModelError, match="in the middle"):
            async for _ in events:
                pass
    await client.close()


async def test_a_stop_in_the_middle_of_a_reply_does_not_wait_for_it(start: Start) -> None:
    server = start()
    server.wait_ready()
    client = LlamaServerClient(server.settings.llm, server.api_key)
    async with client.reply(HELLO, []) as events:
        await anext(events)
        server.process.terminate()
        assert await asyncio.to_thread(server.process.wait, 10) == -signal.SIGTERM
    await client.releases.settled()
    await client.close()


@pytest.mark.llama_server
def test_the_real_server_takes_the_daemons_place(start: Start) -> None:
    server = start("binary")
    server.wait_ready()
    process = psutil.Process(server.process.pid)
    assert Path(process.exe()).name == "llama-server"
    assert process.children() == []
    assert server.api_key not in " ".join([*process.cmdline(), *process.environ().values(), server.log()])


def test_the_embedded_model_is_introduced(start: Start) -> None:
    server = start(model="embedded")
    server.wait_ready()
    assert "the embedded model is tiny" in server.log()
    assert "name a GGUF file" in server.log()


@pytest.mark.parametrize(
    ("llm", "says"),
    [
        ({"host": "0.0.0.0"}, "loopback only"),
        ({"model": "/no/such.gguf"}, "there is no file /no/such.gguf"),
        ({"server_binary": "/no/such"}, "not a program that can be run"),
        ({"extra_args": ["--mlock"]}, "needs a real llama-server"),
    ],
)
def test_a_mistake_of_the_operator_ends_in_one_clear_line(start: Start, llm: dict[str, Any], says: str) -> None:
    server = start(**llm)
    assert server.process.wait(30) == 78
    assert says in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("begins", "status", "says"), [(b"nonsense", 78, "is not a GGUF file"), (b"GGUF", 1, "could not start")]
)
def test_a_file_that_is_no_model(start: Start, tmp_path: Path, begins: bytes, status: int, says: str) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(begins + b"nonsense" * 100)
    server = start(model=str(file))
    assert server.process.wait(30) == status
    assert says in server.log()
    assert "Traceback" not in server.log()
