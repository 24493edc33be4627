"""The dialogues that the embedded model learns from: valid, whole, and the same for the same seed."""

import itertools
import json
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from embedded_model import evaluate, grammar, schedule, tools, words, write_domain_phrases
from embedded_model.dialogues import Writer
from embedded_model.tools import Message

SCHEMAS: dict[str, dict[str, Any]] = {t["function"]["name"]: t["function"]["parameters"] for t in tools.TOOLS}
TYPES = {"integer": int, "number": (int, float), "string": str}


def write(seed: int, count: int) -> list[list[Message]]:
    writer = Writer(random.Random(seed))
    return [writer.conversation() for _ in range(count)]


def check_arguments(name: str, arguments: dict[str, Any]) -> None:
    schema = SCHEMAS[name]
    assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
    # The server's grammar writes arguments in the schema's order.
    assert list(arguments) == [key for key in schema["properties"] if key in arguments]
    for key, value in arguments.items():
        kind = schema["properties"][key]
        assert isinstance(value, TYPES[kind["type"]])
        assert value in kind.get("enum", [value])
        assert value != ""


@pytest.fixture(scope="module")
def conversations() -> list[list[Message]]:
    return write(seed=5, count=1500)


def test_same_seed_writes_the_same_conversations() -> None:
    assert write(11, 40) == write(11, 40)
    assert write(11, 40) != write(12, 40)


def test_every_conversation_is_whole(conversations: list[list[Message]]) -> None:
    for messages in conversations:
        assert messages[0]["role"] == "system"
        for before, after in itertools.pairwise(messages):
            # A reply that nobody heard is not in the history, so the caller may speak after a result;
            # what the line says by itself (greeting, timer) may come anywhere and is not imitated.
            if after["role"] == "assistant" and after.get("learn") is False:
                continue
            allowed = {"system": {"user"}, "user": {"assistant"}, "tool": {"user", "assistant"}}
            assert after["role"] in allowed.get(before["role"], {"tool"} if "tool_call" in before else {"user"})
        assert all(m["content"].strip() for m in messages if "tool_call" not in m)


def test_every_tool_call_fits_its_schema(conversations: list[list[Message]]) -> None:
    used = Counter[str]()
    for message in (m for messages in conversations for m in messages if "tool_call" in m):
        call = message["tool_call"]
        check_arguments(call["name"], call["arguments"])
        used[call["name"]] += 1
    assert set(used) == set(SCHEMAS)


def test_a_tool_result_is_repeated_word_for_word(conversations: list[list[Message]]) -> None:
    for messages in conversations:
        for before, after in itertools.pairwise(messages):
            if before["role"] == "tool" and after["role"] == "assistant" and after.get("learn", True):
                assert after["content"] == json.loads(before["content"])["say"]


def test_an_interrupted_reply_is_never_imitated(conversations: list[list[Message]]) -> None:
    cut = [m for messages in conversations for m in messages if m["content"].endswith("—")]
    assert cut
    assert all(m["role"] == "assistant" and m.get("learn") is False for m in cut)


def test_chatml_is_balanced_and_no_slot_is_left(conversations: list[list[Message]]) -> None:
    for messages in conversations:
        text = tools.render(messages)
        assert text.count("<|im_start|>") == text.count("<|im_end|>") == len(messages)
        assert not any(re.search(r"\{\w+\}|[\[\]|]", m["content"]) for m in messages if m["role"] != "tool")


def test_grammar() -> None:
    assert sorted(grammar.every("[a|b [c|]] d")) == ["a d", "b c d", "b d"]
    with pytest.raises(ValueError, match="unbalanced"):
        list(grammar.every("[a|b"))


@pytest.mark.parametrize(
    ("value", "said"), [(0, "zero"), (25, "twenty five"), (100, "one hundred"), (1040, "one thousand forty")]
)
def test_number_words(value: int, said: str) -> None:
    assert words.number_words(value) == said


@pytest.mark.parametrize("path", [evaluate.HELDOUT, evaluate.UNSEEN], ids=lambda path: path.name)
def test_evaluation_cases_are_valid(path: Path) -> None:
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(cases) >= 120
    for case in cases:
        expect = case["expect"]
        assert evaluate.conversation(case)[-1]["role"] in {"user", "tool"}
        if "tool" in expect:
            check_arguments(expect["tool"], expect["arguments"])
        else:
            assert expect.get("says") or expect.get("exactly")


def test_domain_phrases_are_what_a_recogniser_writes() -> None:
    lines = [line for line in "\n".join(write_domain_phrases.lines(7)).splitlines() if line and line[0] != "#"]
    assert 600 <= len(lines) <= 1500
    assert all(re.fullmatch(r"[a-z' ]+", line) for line in lines)
    assert lines == [line for line in "\n".join(write_domain_phrases.lines(7)).splitlines() if line and line[0] != "#"]


def test_learning_rate_warms_up_holds_and_cools_down() -> None:
    plan = schedule.Schedule(minutes=10, peak=1.0, warmup_steps=10)
    assert plan.rate(0, 0) == pytest.approx(0.1)
    assert plan.rate(99, 300) == pytest.approx(1.0)
    assert plan.rate(999, 450) == pytest.approx(0.5)
    assert plan.is_over(600)


def test_ending_early_cools_down_first() -> None:
    plan = schedule.Schedule(minutes=10, peak=1.0, warmup_steps=1)
    plan.wrap_up(200)
    plan.wrap_up(250)  # a second Ctrl-C changes nothing
    assert plan.rate(99, 250) == pytest.approx(0.5)
    assert not plan.is_over(299)
    assert plan.is_over(300)
