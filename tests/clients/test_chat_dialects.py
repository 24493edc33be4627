"""Streams of the chat templates of Qwen, Llama and Gemma, parsed by the server or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.clients.llama_server_client import LlamaServerClient
from her_os.clients.spoken_text import SpokenText
from her_os.clients.tool_call_repair import as_object, repaired
from her_os.contracts.language_model import Finished, Message, TextDelta, ToolCallRequest, ToolSpec
from her_os.settings.schema import LanguageModel

from .scripted_server import OK, chunk, scripted

STREAMS = Path(__file__).resolve().parents[1] / "data" / "llm_streams"
TOOLS = [ToolSpec("set_timer", "", {"type": "object"}), ToolSpec("get_time", "", {"type": "object"})]
FIVE = {"amount": 5, "unit": "minutes"}
EXPECTED: dict[str, tuple[str, list[tuple[str, object]]]] = {
    "qwen2.5-tool-call": ("", [("set_timer", FIVE), ("get_time", {})]),
    "qwen3-reasoning": ("Hello there.", []),
    "qwen3-raw": ("Sure.", [("set_timer", FIVE)]),
    "llama3.2-tool-call": ("", [("get_time", {})]),
    "llama3.2-raw": ("", [("set_timer", FIVE | {"amount": "5"})]),
    "llama3.1-python-tag-raw": ("", [("get_time", {})]),
    "gemma3-tool-call": ("", [("set_timer", FIVE)]),
    "gemma3-raw": ("One moment.", [("get_time", {})]),
    "vllm-tool-call": ("", [("set_timer", FIVE)]),
    "malformed-repaired": ("", [("set_timer", {"amount": 5}), ("set_timer", {"amount": 5, "loud": True})]),
    "malformed-cut": ("", [("set_timer", '{"amount": 5')]),
    "thought-without-end": ("", []),
}


def arguments_of(call: ToolCallRequest) -> object:
    try:
        return json.loads(call.call.arguments)
    except ValueError:
        return call.call.arguments


def test_every_stream_says_what_it_is_and_is_expected() -> None:
    files = {file.stem: file.read_text() for file in STREAMS.glob("*.sse")}
    assert set(files) == set(EXPECTED)
    assert all(text.startswith(": Not a recording:") for text in files.values())


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("size", [7, 4096])
async def test_a_stream_of_a_real_template(name: str, size: int) -> None:
    raw = (STREAMS / f"{name}.sse").read_bytes()
    pieces = [chunk(raw[at : at + size]) for at in range(0, len(raw), size)]
    async with scripted([OK, *pieces, b"0\r\n\r\n"]) as server:
        client = LlamaServerClient(LanguageModel(port=server.port), "k" * 20)
        async with client.reply([Message("user", "hello")], TOOLS) as events:
            found = [event async for event in events]
        await client.close()
    spoken = "".join(event.text for event in found if isinstance(event, TextDelta))
    calls = [(event.call.name, arguments_of(event)) for event in found if isinstance(event, ToolCallRequest)]
    assert (spoken.strip(), calls) == EXPECTED[name]
    assert isinstance(found[-1], Finished)
    assert (found[-1].prompt_tokens, found[-1].completion_tokens) == (312, 9)


def through(pieces: list[str], tools: tuple[str, ...] = ("get_time",)) -> tuple[str, list[str]]:
    text = SpokenText(tools)
    events = [event for piece in pieces for event in text.feed(piece)] + text.finish()
    spoken = "".join(event.text for event in events if isinstance(event, TextDelta))
    return spoken, [event.call.name for event in events if isinstance(event, ToolCallRequest)]


@given(st.data())
def test_wherever_a_reply_is_cut_the_same_is_spoken(data: st.DataObject) -> None:
    whole = 'a < b [x] ``c``<think>no <tool_call> here</think>Yes<tool_call>{"name": "get_time"}</tool_call> {"so": 1}'
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert through(pieces) == ('a < b [x] ``c``Yes {"so": 1}', ["get_time"])


@pytest.mark.parametrize(
    ("text", "spoken", "calls"),
    [
        ("no marks at all", "no marks at all", []),
        ("it is 5 <", "it is 5 <", []),
        ('{"answer": 42}', '{"answer": 42}', []),
        ("{not json", "{not json", []),
        ('<tool_call>{"name": "rm_rf", "arguments": {}}</tool_call>Done.', "Done.", []),
        ("<tool_call>get the time</tool_call>", "", []),
        ("the template had begun it</think>Hello.", "the template had begun itHello.", []),
        ("<think></think>Hello.", "Hello.", []),
        ('{"function": {"name": "get_time", "arguments": "{}"}}', "", ["get_time"]),
    ],
)
def test_what_is_spoken(text: str, spoken: str, calls: list[str]) -> None:
    assert through(list(text)) == through([text]) == (spoken, calls)


def test_without_tools_an_object_is_text() -> None:
    assert through(['{"name": "get_time"}'], ()) == ('{"name": "get_time"}', [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ("{'a': None}", {"a": None}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}),
        ('{"a": "x,}"}', {"a": "x,}"}),
        ('{"a": "x,}",}', {"a": "x,}"}),
        ('{"a": "x,}", "b": true,}', None),
        ('{"a": 5', None),
        ('{"a": "fi', None),
        ("[1]", None),
        ("", None),
        ("{'a': {1, 2}}", None),
        ("__import__('os').system('true')", None),
    ],
)
def test_only_what_is_certain_is_repaired(text: str, value: object) -> None:
    assert as_object(text) == value


def test_what_is_good_or_beyond_repair_is_left_as_it_is() -> None:
    assert repaired('{"a":1}') == '{"a":1}'
    assert repaired('{"a": 5') == '{"a": 5'
    assert repaired("{'a': 1}") == '{"a": 1}'
