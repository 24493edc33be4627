"""Whatever a model asks for, the answer is JSON with a sentence to say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from her_os.contracts.errors import ToolError
from her_os.contracts.language_model import ToolCall, ToolSpec
from her_os.conversation.tools.build import build_tools
from her_os.conversation.tools.registry import ToolRegistry, ToolResult
from her_os.conversation.tools.timers import TimerBook

NAMES = [
    "get_time",
    "get_date",
    "set_timer",
    "list_timers",
    "cancel_timer",
    "find_contact",
    "calculate",
    "hang_up",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["amount", "unit", "label", "name", "left", "right", "operator"]
LIKELY = st.sampled_from(["minutes", "hours", "twenty", "tea", "plus", "divided by", "0", 5, -1, 1e300, "anna", None])


class NoContacts:
    def contacts(self) -> tuple[()]:
        return ()


class Scripted:
    """A tool that does what the test says."""

    spec = ToolSpec("scripted", "", {})

    def __init__(self, outcome: ToolResult | Exception | None) -> None:
        self.outcome = outcome

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        if self.outcome is None:
            await asyncio.Event().wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert isinstance(self.outcome, ToolResult)
        return self.outcome


def registry() -> ToolRegistry:
    timers = TimerBook(asyncio.get_running_loop(), lambda timer: None)
    now = datetime(2025, 11, 21, 15, 20, tzinfo=UTC)
    return ToolRegistry(build_tools(now=lambda: now, timers=timers, contacts=NoContacts(), hang_up=lambda: None))


async def call(name: str, arguments: str) -> dict[str, Any]:
    return json.loads(await registry().run(ToolCall("1", name, arguments)))


def check(answer: dict[str, Any]) -> None:
    assert isinstance(answer["say"], str)
    assert answer["say"][-1] in ".?!"
    assert len(answer["say"]) < 500
    assert ("ok" in answer) != ("error" in answer)


async def test_the_tools_are_those_the_embedded_model_knows() -> None:
    assert [spec.name for spec in registry().specs] == NAMES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(FIELDS), LIKELY | JSON, max_size=7))
def test_any_arguments_get_a_sentence(name: str, arguments: dict[str, Any]) -> None:
    check(asyncio.run(call(name, json.dumps(arguments))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from([*NAMES, "fly"]), st.text(max_size=30))
def test_any_text_for_arguments_gets_a_sentence(name: str, arguments: str) -> None:
    check(asyncio.run(call(name, arguments)))


async def test_an_unknown_tool_is_told_to_the_caller() -> None:
    assert (await call("fly", "{}"))["say"] == "Sorry, I cannot do that yet."


async def test_a_result_carries_its_data_and_its_sentence() -> None:
    tools = ToolRegistry([Scripted(ToolResult("Done — naïve.", {"seconds": 3}))])
    text = await tools.run(ToolCall("1", "scripted", ""))
    assert text == '{"ok": true, "seconds": 3, "say": "Done — naïve."}'


async def test_failures_become_words() -> None:
    for outcome, error, say in (
        (ToolError("no such thing", say="There is none."), "no such thing", "There is none."),
        (RuntimeError("secret detail"), "failed", "Sorry, that did not work."),
    ):
        text = await ToolRegistry([Scripted(outcome)]).run(ToolCall("1", "scripted", "{}"))
        assert json.loads(text) == {"error": error, "say": say}


async def test_a_tool_that_hangs_is_given_up() -> None:
    text = await ToolRegistry([Scripted(None)], timeout_s=0.01).run(ToolCall("1", "scripted", "{}"))
    assert json.loads(text)["error"] == "timeout"


async def test_a_cancelled_tool_is_cancelled() -> None:
    task = asyncio.create_task(ToolRegistry([Scripted(None)]).run(ToolCall("1", "scripted", "{}")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
