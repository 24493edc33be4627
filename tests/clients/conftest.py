"""A real language model server for the client's tests: the wheel's, and where it was built llama-server itself."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from her_os.clients.llama_server_client import LlamaServerClient

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from llama_server_process import LlamaServerProcess, built_binary
from random_gguf import write_random_gguf

SERVERS = ["wheel", pytest.param("binary", marks=pytest.mark.llama_server)]


class Releases:
    """A release observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float | None]] = []

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        self.seen.append((slot, seconds))


def binary_of(kind: str) -> Path | None:
    """None for the wheel's server, else the real one."""
    if kind == "wheel":
        return None
    binary = built_binary()
    assert binary.is_file(), f"there is no {binary}: run ./start.sh --build-llama-server"
    return binary


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights that never ends by itself: some 500 tokens a second on one core."""
    return write_random_gguf(tmp_path_factory.mktemp("model") / "random.gguf", width=384, layers=8)


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, random_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlamaServerProcess]:
    """A running server with two slots."""
    folder = tmp_path_factory.mktemp("llm")
    binary = binary_of(request.param)
    process = LlamaServerProcess(folder, {"model": str(random_model), "max_tokens": 3000}, binary=binary)
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


@pytest.fixture
def releases() -> Releases:
    return Releases()


@pytest_asyncio.fixture
async def client(server: LlamaServerProcess, releases: Releases) -> AsyncIterator[LlamaServerClient]:
    """A client of the server. Its budget is generous: tests run beside other busy processes."""
    client = LlamaServerClient(server.with_llm(release_budget_ms=20_000).llm, server.api_key, observer=releases)
    yield client
    await client.close()
