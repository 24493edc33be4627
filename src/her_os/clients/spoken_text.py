"""What of a reply's text is meant to be spoken: thoughts are dropped, tool calls written as text become calls.

A server with a chat parser (llama-server's `--jinja`, vLLM's `--tool-call-parser`) sends thoughts as
`reasoning_content` and calls as `tool_calls`; then nothing is to be done here. One without sends them as the model
wrote them. Sources: the chat templates of Qwen 2.5/3 and Hermes (`<think>`, `<tool_call>`), Llama 3.x (`<|python_tag|>`
or a bare JSON object with `name` and `parameters`), Mistral (`[THINK]`), Gemma (a fenced `tool_code` block).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from her_os.clients.tool_call_repair import as_object
from her_os.contracts.language_model import TextDelta, ToolCall, ToolCallRequest

log = logging.getLogger(__name__)
_LONGEST_CALL = 8192
"""Characters after which what looked like a call is given up."""


@dataclass(frozen=True)
class _Span:
    """From `opening` to `closing` is no speech; `closing` empty: to the end."""

    opening: str
    closing: str
    is_call: bool = False


_SPANS = (
    _Span("<think>", "</think>"),
    _Span("<thinking>", "</thinking>"),
    _Span("[THINK]", "[/THINK]"),
    _Span("<tool_call>", "</tool_call>", is_call=True),
    _Span("<|python_tag|>", "", is_call=True),
    _Span("```tool_code", "```", is_call=True),
    _Span("```tool_call", "```", is_call=True),
)
_STRAY = "</think>"
"""Where the template itself had opened the thought: nothing tells before that it was one."""
_BARE = _Span("{", "", is_call=True)


class SpokenText:
    """Text in, events out. `tools`: names of the tools that were offered; without any a bare `{` is text."""

    def __init__(self, tools: Iterable[str] = ()) -> None:
        self._tools = frozenset(tools)
        self._held = ""
        self._span: _Span | None = None
        self._begun = False
        """Something has been spoken."""
        self._calls = 0

    def feed(self, text: str) -> list[TextDelta | ToolCallRequest]:
        """More of the reply's text."""
        self._held += text
        events: list[TextDelta | ToolCallRequest] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> list[TextDelta | ToolCallRequest]:
        """The reply is over: what was held back is speech after all, a call, or was cut off and is dropped."""
        held, span, self._held, self._span = self._held, self._span, "", None
        if span is None:
            return [TextDelta(held)] if held else []
        if not span.is_call:
            log.info("a thought was not ended; nothing of it is spoken")
            return []
        return self._call(held, span)

    def _step(self, events: list[TextDelta | ToolCallRequest]) -> bool:
        """One thing done; False when more text is needed."""
        if self._span is not None:
            return self._inside(self._span, events)
        if self._tools and not self._begun and self._held.lstrip().startswith("{"):
            self._span, self._held = _BARE, self._held.lstrip()
            return True
        found = min(
            ((at, span) for span in _SPANS if (at := self._held.find(span.opening)) >= 0),
            key=lambda each: (each[0], -len(each[1].opening)),
            default=None,
        )
        stray = self._held.find(_STRAY)
        if stray >= 0 and (found is None or stray < found[0]):
            self._say(self._held[:stray], events)
            self._held = self._held[stray + len(_STRAY) :]
            return True
        if found is None:
            keep = _may_begin_a_mark(self._held)
            self._say(self._held[: len(self._held) - keep], events)
            self._held = self._held[len(self._held) - keep :]
            return False
        at, self._span = found
        self._say(self._held[:at], events)
        self._held = self._held[at + len(self._span.opening) :]
        return True

    def _inside(self, span: _Span, events: list[TextDelta | ToolCallRequest]) -> bool:
        end = self._held.find(span.closing) if span.closing else -1
        if end >= 0:
            body, self._held, self._span = self._held[:end], self._held[end + len(span.closing) :], None
            if span.is_call:
                events += self._call(body, span)
            return True
        if not span.is_call:
            self._held = self._held[-len(span.closing) :]  # a thought may be long
        elif len(self._held) > _LONGEST_CALL:
            log.warning("what began like a tool call does not end; it is dropped")
            self._held = self._held[-len(span.closing) :] if span.closing else ""
        return False

    def _call(self, body: str, span: _Span) -> list[TextDelta | ToolCallRequest]:
        call = self._read(body)
        if call is not None:
            self._calls += 1
            return [ToolCallRequest(call)]
        if span is _BARE:
            return [TextDelta(body)]  # JSON that was asked for, perhaps
        log.warning("a tool call that cannot be read is dropped (%d characters)", len(body))
        return []

    def _read(self, body: str) -> ToolCall | None:
        value = as_object(body)
        if value is None:
            return None
        inner = cast("dict[str, Any]", value["function"]) if isinstance(value.get("function"), dict) else value
        name = inner.get("name") or inner.get("function")
        arguments: object = inner.get("arguments", inner.get("parameters", {}))
        if not isinstance(name, str) or (self._tools and name not in self._tools):
            return None
        if isinstance(arguments, str):
            arguments = as_object(arguments)
        if not isinstance(arguments, dict):
            return None
        return ToolCall(f"call-{self._calls}", name, msgspec.json.encode(arguments).decode())

    def _say(self, text: str, events: list[TextDelta | ToolCallRequest]) -> None:
        if text:
            self._begun = self._begun or bool(text.strip())
            events.append(TextDelta(text))


_MARKS = (*(span.opening for span in _SPANS), _STRAY)


def _may_begin_a_mark(text: str) -> int:
    """How many characters at the end could be the begin of a mark that is cut in two."""
    for length in range(min(len(text), max(map(len, _MARKS)) - 1), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in _MARKS):
            return length
    return 0
