"""Score a GGUF model on held-out phrasings through a real llama.cpp server, streaming, with tools.

Each line of `heldout.jsonl` is a conversation that ends where the assistant must speak:
`{"category", "messages": [...], "expect": {"tool", "arguments"} or {"says": [any of these substrings]}}`,
with `"user": text` as the short form of a single message, `"exactly"` for a sentence to be repeated, `"name"` for
the assistant's and `"facts"` for what a shortened history adds to the system message.
`heldout.jsonl` showed where the phrasings were thin; `unseen.jsonl` was never looked into to improve them.
"""

import json
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tools import SYSTEM, TOOLS

HELDOUT = Path(__file__).with_name("heldout.jsonl")
UNSEEN = Path(__file__).with_name("unseen.jsonl")


@dataclass(frozen=True)
class Answer:
    """What the assistant said and called."""

    content: str
    calls: list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Outcome:
    """One held-out case with what came back."""

    case: dict[str, Any]
    answer: Answer
    is_right: bool


def ask(url: str, messages: list[dict[str, Any]], temperature: float = 0.0) -> Answer:
    """Stream one completion with tools and put its deltas together."""
    request = {
        "messages": messages, "tools": TOOLS, "stream": True, "temperature": temperature, "max_tokens": 200, "seed": 1,
    }  # fmt: skip
    content, calls = "", dict[int, list[str]]()
    http = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(request).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(http, timeout=60) as stream:
        for raw in stream:
            line = raw.decode().strip()
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:]).get("choices", []):
                delta = choice["delta"]
                content += delta.get("content") or ""
                for part in delta.get("tool_calls") or []:
                    call = calls.setdefault(part["index"], ["", ""])
                    call[0] += part["function"].get("name") or ""
                    call[1] += part["function"].get("arguments") or ""
    return Answer(content, [(name, _arguments(text)) for name, text in calls.values()])


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {"invalid": text}
    return value if isinstance(value, dict) else {"invalid": text}


def conversation(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of `case`, the system message first, in the form the API takes."""
    name = case.get("name", "her")
    messages = case.get("messages") or [{"role": "user", "content": case["user"]}]
    out: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM.format(name=name) + case.get("facts", "")}]
    for message in messages:
        message = dict(message)
        if (call := message.pop("tool_call", None)) is not None:
            function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
            message["tool_calls"] = [{"id": "c1", "type": "function", "function": function}]
        if message["role"] == "tool":
            message["tool_call_id"] = "c1"
        out.append(message)
    return out


def is_right(expect: dict[str, Any], answer: Answer) -> bool:
    """Tell whether `answer` is the one call asked for, with its exact arguments, or the words with no call."""
    if "tool" in expect:
        return answer.calls == [(expect["tool"], expect.get("arguments", {}))]
    if answer.calls:
        return False
    if "exactly" in expect:
        return answer.content.strip() == expect["exactly"]
    return any(text.lower() in answer.content.lower() for text in expect["says"])


def evaluate(url: str, cases: Path = HELDOUT) -> list[Outcome]:
    """Ask every case once, at temperature 0."""
    outcomes: list[Outcome] = []
    for line in cases.read_text().splitlines():
        if line.strip():
            case = json.loads(line)
            answer = ask(url, conversation(case))
            outcomes.append(Outcome(case, answer, is_right(case["expect"], answer)))
    return outcomes


def report(outcomes: list[Outcome], failures: bool = True) -> str:
    """Return the scores by category as a Markdown table, and the failures below it."""
    rows: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        rows[outcome.case["category"]].append(outcome.is_right)
    out = ["| category | right | of |", "|---|---|---|"]
    out += [f"| {category} | {sum(values)} | {len(values)} |" for category, values in sorted(rows.items())]
    out.append(f"| **all** | {sum(o.is_right for o in outcomes)} | {len(outcomes)} |")
    if failures:
        out += ["", "Wrong:"]
        for outcome in outcomes:
            if not outcome.is_right:
                said = outcome.case.get("user") or outcome.case["messages"][-1]["content"]
                out.append(
                    f"- [{outcome.case['category']}] {said!r} -> {outcome.answer.calls or outcome.answer.content!r}"
                )
    return "\n".join(out)
