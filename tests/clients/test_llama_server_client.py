"""The client against a real llama.cpp server: replies, cancels that free the slot, refusals."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from her_os.clients.http_exchange import exchange_json
from her_os.clients.llama_log_watch import parse_release
from her_os.clients.llama_server_client import LlamaServerClient
from her_os.contracts.errors import ContextOverflowError, LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import Finished, Message, TextDelta, ToolCall, ToolSpec
from her_os.daemons.preflight.cancel_floor import measure
from llama_server_process import LlamaServerProcess, free_port

from .conftest import Releases

HELLO = [Message("system", "You are a voice assistant."), Message("user", "hello")]
LONG = [Message("user", "the quick brown fox " * 150)]
ASKED = 3000


async def slots(server: LlamaServerProcess) -> list[dict[str, object]]:
    llm = server.settings.llm
    status, answer = await exchange_json("llm", llm.host, llm.port, "GET", "/slots", server.api_key, None, 20)
    assert status == 200
    return answer


async def begin(client: LlamaServerClient, slot: int, messages: list[Message] = HELLO, deltas: int = 5) -> None:
    """Read a few deltas of a reply and walk away."""
    async with client.reply(messages, [], slot=slot) as events:
        for _ in range(deltas):
            assert isinstance(await anext(events), TextDelta)


async def test_a_whole_reply_ends_with_its_counts(server: LlamaServerProcess) -> None:
    client = LlamaServerClient(server.with_llm(max_tokens=8).llm, server.api_key)
    async with client.reply(HELLO, [ToolSpec("t", "d", {"type": "object", "properties": {}})], slot=0) as events:
        seen = [event async for event in events]
    *deltas, finished = seen
    assert all(isinstance(event, TextDelta) for event in deltas)
    assert finished == Finished("length", finished.prompt_tokens, 8)
    assert finished.prompt_tokens > 20
    await client.close()


async def test_leaving_the_stream_frees_the_slot(
    server: LlamaServerProcess, client: LlamaServerClient, releases: Releases
) -> None:
    await begin(client, slot=1)
    await client.releases.settled()
    (released,) = releases.seen
    assert released[0] == 1
    assert released[1] is not None
    slot = (await slots(server))[1]
    assert slot["is_processing"] is False
    assert 5 <= int(str(slot["n_prompt_tokens"])) < ASKED / 2, "prompt and reply together"


async def test_leaving_while_the_prompt_is_read_frees_the_slot(
    server: LlamaServerProcess, client: LlamaServerClient, releases: Releases
) -> None:
    async with client.reply(LONG, [], slot=0):
        await asyncio.sleep(0)
    await client.releases.settled()
    assert [slot for slot, seconds in releases.seen if seconds is not None] == [0]
    assert (await slots(server))[0]["is_processing"] is False


async def test_a_cancelled_task_frees_the_slot(client: LlamaServerClient, releases: Releases) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with client.reply(HELLO, [], slot=0) as events:
            async for _ in events:
                reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await client.releases.settled()
    assert [slot for slot, _ in releases.seen] == [0]


async def test_the_release_time_agrees_with_the_servers_log(
    server: LlamaServerProcess, client: LlamaServerClient, releases: Releases
) -> None:
    before = len(server.log().splitlines())
    for _ in range(3):
        await begin(client, slot=0)
        await client.releases.settled()
    lines = server.log().splitlines()[before:]
    logged = [release for line in lines if (release := parse_release(line))]
    assert [release.slot for release in logged] == [slot for slot, _ in releases.seen] == [0, 0, 0]


async def test_a_reply_right_after_a_cancel_in_the_same_slot(client: LlamaServerClient, releases: Releases) -> None:
    await begin(client, slot=0)
    await begin(client, slot=0)
    await client.releases.settled()
    assert len(releases.seen) == 2
    assert None not in [seconds for _, seconds in releases.seen]


async def test_two_calls_at_once_keep_to_their_slots(
    server: LlamaServerProcess, client: LlamaServerClient, releases: Releases
) -> None:
    async with client.reply(HELLO, [], slot=0) as first:
        await anext(first)
        await begin(client, slot=1)
        assert isinstance(await anext(first), TextDelta)
    await client.releases.settled()
    assert {slot for slot, _ in releases.seen} == {0, 1}
    assert not any(slot["is_processing"] for slot in await slots(server))


async def test_tokens_are_counted_by_the_server(client: LlamaServerClient) -> None:
    few, many = await client.count_tokens(HELLO), await client.count_tokens([*HELLO, *LONG])
    assert 20 < few < many
    assert many - few > 100


async def test_a_history_with_malformed_arguments_is_accepted(server: LlamaServerProcess) -> None:
    client = LlamaServerClient(server.with_llm(max_tokens=2).llm, server.api_key)
    called = Message("assistant", "", (ToolCall("a", "get_time", '{"broken'),))
    async with client.reply([*HELLO, called, Message("tool", "{}", tool_call_id="a")], []) as events:
        assert isinstance([event async for event in events][-1], Finished)
    await client.close()


async def test_the_api_key_is_needed(server: LlamaServerProcess) -> None:
    client = LlamaServerClient(server.settings.llm, "x" * 20)
    async with client.reply(HELLO, []) as events:
        with pytest.raises(LanguageModelError, match="refused our API key"):
            await anext(events)
    assert await client.count_tokens(HELLO) == sum(len(message.content) for message in HELLO) // 3 + 1
    await client.close()
    assert server.api_key not in " ".join(server.process.args)  # type: ignore[arg-type]
    assert server.api_key not in server.log()


async def test_too_long_a_conversation_is_recognised(client: LlamaServerClient, releases: Releases) -> None:
    async with client.reply(LONG * 10, [], slot=0) as events:
        with pytest.raises(ContextOverflowError) as caught:
            await anext(events)
    assert caught.value.code == "context_overflow"
    assert releases.seen == []


async def test_nobody_listens(server: LlamaServerProcess) -> None:
    client = LlamaServerClient(msgspec.structs.replace(server.settings.llm, port=free_port()), server.api_key)
    with pytest.raises(SidecarUnavailable, match="cannot be reached"):
        async with client.reply(HELLO, []):
            pass
    await client.close()


async def test_the_preflight_measures_how_soon_a_cancel_frees_the_model(server: LlamaServerProcess) -> None:
    llm = server.with_llm(context_tokens=500).llm  # a prompt that is soon read
    floor = await measure(server.settings, llm, server.api_key, runs=2)
    assert floor.decode is not None
    assert floor.prompt is not None
    assert (floor.decode.runs, floor.decode.late, floor.prompt.runs, floor.prompt.late) == (2, 0, 2, 0)
    assert 0 < floor.decode.p50_ms <= floor.decode.max_ms
    assert floor.floor_ms == max(floor.decode.p95_ms, floor.prompt.p95_ms)
