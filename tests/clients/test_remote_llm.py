"""A language model server elsewhere: what it is asked, and what can be known of a cancel there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.llm_endpoint import endpoint_of, running_requests
from her_os.contracts.errors import ConfigError, LanguageModelError
from her_os.contracts.language_model import Message, TextDelta, ToolSpec
from her_os.daemons.remote_llm import wait_for_models
from her_os.settings import load_settings
from her_os.settings.schema import LanguageModel
from llama_server_process import LlamaServerProcess

from .conftest import Releases
from .scripted_server import delta

HELLO = [Message("user", "hello")]
KEY = "a key of somebody else's"


class Far:
    """An OpenAI-compatible server that talks without end, counts as vLLM does, and notices who leaves."""

    def __init__(self) -> None:
        self.running = 0
        self.stays_busy_s = 0.0
        self.requests: list[tuple[str, dict[str, Any], str]] = []
        self.port = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, await request.json(), request.headers["Authorization"]))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.running += 1
        try:
            while True:
                await response.write(delta(content="la "))
                await asyncio.sleep(0.001)
        except (ConnectionError, asyncio.CancelledError):
            await asyncio.sleep(self.stays_busy_s)
        finally:
            self.running -= 1
        return response

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            text='# HELP vllm:num_requests_running x\nvllm:num_requests_running{engine="0",model_name="m"} '
            f'{self.running}.0\nvllm:num_requests_waiting{{engine="0"}} 0.0\n'
        )

    async def models(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "no"}}, status=401)
        return web.json_response({"data": [{"id": "big-model"}]})

    async def tokenize(self, request: web.Request) -> web.Response:
        return web.json_response({"count": len((await request.json())["messages"])})


@pytest_asyncio.fixture
async def far() -> AsyncIterator[Far]:
    far, app = Far(), web.Application()
    app.router.add_post("/api/v1/chat/completions", far.chat)
    app.router.add_get("/api/metrics", far.metrics)
    app.router.add_get("/api/v1/models", far.models)
    app.router.add_post("/api/tokenize", far.tokenize)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    far.port = runner.addresses[0][1]
    yield far
    async with asyncio.timeout(10):
        while far.running:
            await asyncio.sleep(0.01)
    await runner.cleanup()


def settings(far: Far, kind: str = "openai") -> LanguageModel:
    url = f"http://127.0.0.1:{far.port}/api/v1/"
    return LanguageModel(remote=url, remote_kind=kind, remote_model="big-model", max_tokens=9, release_budget_ms=500)  # pyright: ignore[reportArgumentType]


async def interrupt(client: LlamaServerClient) -> None:
    async with client.reply(HELLO, [ToolSpec("t", "", {})], slot=1) as events:
        assert await anext(events) == TextDelta("la ")
    await client.releases.settled()


async def test_a_server_of_the_openai_kind_is_asked_nothing_it_does_not_know(far: Far) -> None:
    seen = Releases()
    client = LlamaServerClient(settings(far), KEY, observer=seen)
    await interrupt(client)
    assert await client.count_tokens([Message("user", "x" * 30)]) == 11, "an estimate"
    await client.close()
    ((path, body, authorization),) = far.requests
    assert (path, authorization) == ("/api/v1/chat/completions", f"Bearer {KEY}")
    assert set(body) == {"messages", "stream", "stream_options", "temperature", "max_tokens", "model", "tools"}
    assert seen.seen == [], "nothing is claimed about when it stopped"
    async with asyncio.timeout(10):
        while far.running:
            await asyncio.sleep(0.01)


async def test_vllm_tells_that_a_cancelled_reply_has_stopped(far: Far) -> None:
    seen = Releases()
    client = LlamaServerClient(settings(far, "vllm"), KEY, observer=seen)
    await interrupt(client)
    assert await client.count_tokens(HELLO) == 1
    ((slot, seconds),) = seen.seen
    assert slot == -1
    assert seconds is not None
    assert far.running == 0
    await client.close()


async def test_a_remote_reply_that_goes_on_is_late(far: Far) -> None:
    far.stays_busy_s, seen = 0.4, Releases()
    client = LlamaServerClient(msgspec.structs.replace(settings(far, "vllm"), release_budget_ms=50), KEY, observer=seen)
    async with client.reply(HELLO, []) as events:
        await anext(events)
    while not seen.seen:
        await asyncio.sleep(0.01)
    assert seen.seen == [(-1, None)]
    await client.close()


async def test_the_daemon_waits_for_the_remote_server_and_names_what_is_wrong(far: Far, tmp_path: Path) -> None:
    file = tmp_path / "her-os.yaml"
    url = f"http://127.0.0.1:{far.port}/api/v1"
    file.write_text(f"llm:\n  remote: {url}\n  remote_model: big-model\n")
    good = load_settings(file, {})
    assert await wait_for_models(good, KEY) == f"big-model at {url}"
    with pytest.raises(ConfigError, match=r"llm\.remote: .*HER_OS_LLM_REMOTE_API_KEY"):
        await wait_for_models(good, "wrong")
    file.write_text(f"llm:\n  remote: {url}\n  remote_model: small-model\n")
    with pytest.raises(ConfigError, match=r"llm\.remote_model: is 'small-model'; .* has: big-model"):
        await wait_for_models(load_settings(file, {}), KEY)


async def test_a_real_llama_server_elsewhere_is_verified_by_its_slots(server: LlamaServerProcess) -> None:
    seen = Releases()
    remote = LanguageModel(
        remote=f"http://127.0.0.1:{server.settings.llm.port}", remote_kind="llama.cpp", max_tokens=2000,
        release_budget_ms=20_000,
    )  # fmt: skip
    client = LlamaServerClient(remote, server.api_key, observer=seen)
    async with client.reply(HELLO, [], slot=1) as events:
        for _ in range(3):
            await anext(events)
    await client.releases.settled()
    ((slot, seconds),) = seen.seen
    assert slot == -1
    assert seconds is not None
    await client.close()


def test_addresses() -> None:
    secure = endpoint_of(LanguageModel(remote="https://llm.example/v1"))
    assert (secure.host, secure.port, secure.base, secure.authority) == ("llm.example", 443, "", "llm.example:443")
    assert secure.tls is not None
    assert endpoint_of(LanguageModel(remote="http://[2001:db8::1]:8000")).authority == "[2001:db8::1]:8000"
    assert endpoint_of(LanguageModel()).kind == "llama.cpp"
    with pytest.raises(ValueError, match="num_requests_running"):
        running_requests("nothing of the kind 1\n")


async def test_a_server_that_is_no_vllm_is_told_so(far: Far) -> None:
    elsewhere = msgspec.structs.replace(settings(far, "vllm"), remote=f"http://127.0.0.1:{far.port}")
    client = LlamaServerClient(elsewhere, KEY)
    with pytest.raises(LanguageModelError, match="metrics cannot be read"):
        await client._is_busy(-1)
    await client.close()
