"""The committed embedded model, served by llama.cpp itself: the phrases a first call is made of."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from embedded_model import evaluate, server

MODEL = Path(__file__).resolve().parent.parent / "src" / "her_os" / "data" / "her-os-embedded.gguf"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server.serving(MODEL) as address:
        yield address


def ask(url: str, *texts: str) -> evaluate.Answer:
    """Ask the last text; those before it are what caller and assistant said in turn."""
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    return evaluate.ask(url, evaluate.conversation({"messages": messages, "name": "Nova"}))


def test_it_is_small() -> None:
    assert MODEL.stat().st_size < 8_000_000


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("what time is it", "get_time", {}),
        ("what day is it today", "get_date", {}),
        ("set a timer for twenty minutes", "set_timer", {"amount": 20, "unit": "minutes"}),
        ("set a tea timer for ten minutes", "set_timer", {"amount": 10, "unit": "minutes", "label": "tea"}),
        ("which timers are running", "list_timers", {}),
        ("cancel the tea timer", "cancel_timer", {"label": "tea"}),
        ("what is the number of anna", "find_contact", {"name": "anna"}),
        ("what is twelve times four", "calculate", {"left": 12, "operator": "times", "right": 4}),
        ("goodbye", "hang_up", {}),
    ],
)
def test_a_request_streams_a_tool_call(url: str, said: str, tool: str, arguments: dict[str, Any]) -> None:
    assert ask(url, said).calls == [(tool, arguments)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("hello", "help"),
        ("who are you", "Nova"),
        ("play some music", "I cannot do that yet"),
        ("will it rain tomorrow", "I cannot do that yet"),
        ("stop", "Okay"),
        ("thank you", "welcome"),
    ],
)
def test_talk_calls_no_tool(url: str, said: str, expected: str) -> None:
    answer = ask(url, said)
    assert not answer.calls
    assert expected in answer.content


@pytest.mark.parametrize("said", ["tell me a story", "tell me a long story", "tell me about yourself"])
def test_what_is_long_enough_to_interrupt_is_told_to_its_end(url: str, said: str) -> None:
    told = ask(url, said).content
    assert len(told.split()) >= 40
    assert told.endswith(".")


@pytest.mark.parametrize("person", ["anna", "tariq", "brunhilde", "doctor brown", "aunt olga", "kasimir wendt"])
def test_a_name_is_copied_letter_by_letter(url: str, person: str) -> None:
    assert ask(url, f"what is the number of {person}").calls == [("find_contact", {"name": person})]


def test_the_callers_name_comes_back(url: str) -> None:
    assert "zubeida" in ask(url, "my name is zubeida", "Nice to meet you, zubeida.", "what is my name").content


@pytest.mark.parametrize(
    "sentence",
    [
        "Ravi is at five five five, three three zero.",
        "Clara Novak is at plus four nine, one seven zero, five five five five.",
        "I found Anna Keller and Anna Torres. Which one do you mean?",
        pytest.param(
            "I found Anna Schmidt and Anna Okafor. Which one do you mean?",
            marks=pytest.mark.xfail(reason="pieces that it has seldom copied come out wrong", strict=False),
        ),
        "You have two timers: tea timer with four minutes left and pasta timer with nine minutes left.",
    ],
)
def test_a_result_is_repeated_word_for_word(url: str, sentence: str) -> None:
    call = {"name": "find_contact", "arguments": {"name": "anna"}}
    result = json.dumps({"ok": True, "say": sentence})
    messages = [
        {"role": "user", "content": "find anna"},
        {"role": "assistant", "content": "", "tool_call": call},
        {"role": "tool", "content": result},
    ]
    assert evaluate.ask(url, evaluate.conversation({"messages": messages})).content.strip() == sentence


def test_it_answers_after_an_interruption(url: str) -> None:
    answer = ask(url, "tell me a story", "In a small shop there was a clock that—", "what time is it")
    assert answer.calls == [("get_time", {})]
