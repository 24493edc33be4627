"""Streams as servers really send them: cut anywhere, with tools in pieces, with thoughts, with errors."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.server_sent_events import EventParser
from her_os.clients.tool_call_assembly import FunctionPiece, ToolCallAssembly, ToolCallPiece
from her_os.contracts.errors import ContextOverflowError, LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import Finished, Message, ReplyEvent, TextDelta, ToolCall, ToolCallRequest
from her_os.settings.schema import LanguageModel

from .scripted_server import OK, answer, chunk, delta, end, event, scripted

KEY = "k" * 20
HELLO = [Message("user", "hello")]
DONE = Finished("stop", 7, 3)


async def read(pieces: Sequence[bytes]) -> list[ReplyEvent]:
    async with scripted(pieces) as server:
        client = LlamaServerClient(LanguageModel(port=server.port), KEY)
        try:
            async with client.reply(HELLO, []) as events:
                return [event async for event in events]
        finally:
            await client.releases.settled()
            await client.close()


async def test_text_arrives_in_order_and_progress_is_skipped() -> None:
    progress = event({"choices": [], "prompt_progress": {"total": 9, "cache": 0, "processed": 4, "time_ms": 1}})
    stream = progress + delta(role="assistant", content=None) + delta(content="Hel") + delta(content="lo") + end()
    assert await read([OK, chunk(stream), b"0\r\n\r\n"]) == [TextDelta("Hel"), TextDelta("lo"), DONE]


async def test_a_stream_cut_at_every_byte_is_the_same() -> None:
    whole = OK + chunk(delta(content="naïve — ☎")) + chunk(end()) + b"0\r\n\r\n"
    expected = [TextDelta("naïve — ☎"), DONE]
    assert await read([whole[index : index + 1] for index in range(len(whole))]) == expected


async def test_thoughts_are_never_spoken() -> None:
    stream = delta(reasoning_content="hm, what now") + delta(content="Yes.") + end()
    assert await read([OK, chunk(stream)]) == [TextDelta("Yes."), DONE]


def piece(index: int, **fields: object) -> bytes:
    return delta(tool_calls=[{"index": index, **fields}])


async def test_tool_calls_in_pieces_are_put_together() -> None:
    stream = (
        piece(0, id="a", type="function", function={"name": "set_timer", "arguments": ""})
        + piece(0, function={"arguments": '{"amount"'})
        + piece(0, function={"arguments": ": 5}"})
        + piece(1, id="b", type="function", function={"name": "get_time", "arguments": "{}"})
        + end("tool_calls")
    )
    assert await read([OK, chunk(stream)]) == [
        ToolCallRequest(ToolCall("a", "set_timer", '{"amount": 5}')),
        ToolCallRequest(ToolCall("b", "get_time", "{}")),
        Finished("tool_calls", 7, 3),
    ]


async def test_malformed_arguments_are_handed_on_as_they_are() -> None:
    stream = piece(0, id="a", function={"name": "set_timer", "arguments": '{"amount": '}) + end("tool_calls")
    assert (await read([OK, chunk(stream)]))[0] == ToolCallRequest(ToolCall("a", "set_timer", '{"amount": '))


@given(st.text(max_size=40), st.data())
def test_arguments_cut_anywhere_are_whole_again(arguments: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=5)))
    parts = [arguments[a:b] for a, b in zip([0, *cuts], [*cuts, len(arguments)], strict=True)]
    assembly = ToolCallAssembly()
    for number, part in enumerate(parts):
        named = FunctionPiece(name=None if number else "tool", arguments=part)
        assert assembly.add([ToolCallPiece(0, None if number else "id", named)]) == []
    assert assembly.finish() == [ToolCall("id", "tool", arguments or "{}")]
    assert assembly.finish() == []


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1)), st.data())
def test_events_cut_anywhere_are_whole_again(texts: list[str], data: st.DataObject) -> None:
    raw = b": a comment\n\n" + b"".join(b"data: " + text.encode() + b"\r\n\r\n" for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    parser = EventParser()
    parts = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert [found for part in parts for found in parser.feed(part)] == texts


@pytest.mark.parametrize(
    ("status", "error", "expected", "says"),
    [
        ("503 Service Unavailable", {"message": "Loading model"}, SidecarUnavailable, "not ready: Loading model"),
        ("500 Internal Server Error", {"message": "no memory"}, LanguageModelError, "no memory"),
        ("400 Bad Request", {"message": "too long", "type": "exceed_context_size_error"}, ContextOverflowError, "long"),
        ("401 Unauthorized", {"message": "Invalid API Key"}, LanguageModelError, "secrets"),
        ("502 Bad Gateway", None, LanguageModelError, "502"),
    ],
)
async def test_refusals(status: str, error: dict[str, str] | None, expected: type[Exception], says: str) -> None:
    with pytest.raises(expected, match=says):
        await read([answer(status, {"error": error} if error else {})])


async def test_an_error_in_the_stream() -> None:
    failure = event({"error": {"code": 500, "message": "out of memory", "type": "server_error"}})
    with pytest.raises(LanguageModelError, match="out of memory"):
        await read([OK, chunk(delta(content="Hel")), chunk(failure)])


@pytest.mark.parametrize(
    "tail",
    [b"", b"5\r\nda", b"0\r\n\r\n", b"nonsense\r\n"],
    ids=["connection closed", "cut in a chunk", "ended without [DONE]", "no HTTP"],
)
async def test_a_reply_cut_in_the_middle(tail: bytes) -> None:
    with pytest.raises(LanguageModelError, match="in the middle"):
        await read([OK, chunk(delta(content="Hel")), tail])


async def test_what_is_no_chat_chunk() -> None:
    with pytest.raises(LanguageModelError, match="no chat chunk"):
        await read([OK, chunk(b"data: {broken\n\n")])


async def test_a_server_that_goes_away_before_it_answers() -> None:
    with pytest.raises(SidecarUnavailable, match="went away"):
        await read([b""])


async def test_a_silent_server_is_given_up() -> None:
    async with scripted([OK], hold=True) as server:
        client = LlamaServerClient(LanguageModel(port=server.port, request_timeout_s=0.02, release_budget_ms=50), KEY)
        async with client.reply(HELLO, []) as events:
            with pytest.raises(SidecarUnavailable, match="said nothing"):
                await anext(events)
        await server.left.wait()
        await client.close()


async def test_what_is_asked() -> None:
    async with scripted([OK, chunk(end())]) as server:
        client = LlamaServerClient(LanguageModel(port=server.port, temperature=0.5, max_tokens=9), KEY)
        called = Message("assistant", "", (ToolCall("a", "get_time", "{}"), ToolCall("b", "x", "[1]")))
        async with client.reply([*HELLO, called, Message("tool", "{}", tool_call_id="a")], [], slot=1) as events:
            assert [event async for event in events] == [DONE]
        await client.close()
    (request,) = server.requests
    assert request | {"messages": None} == {
        "messages": None,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "cache_prompt": True,
        "id_slot": 1,
        "temperature": 0.5,
        "max_tokens": 9,
    }
    calls = request["messages"][1]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{}, {}]
    assert f"Authorization: Bearer {KEY}" in server.heads[0]
    assert "conversation-id" not in server.heads[0].lower()
