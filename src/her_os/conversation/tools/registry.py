"""The tools of one call: what a tool is, and how a model's request for one is checked, run and answered.

A result is JSON that always carries `say`, a short sentence fit to be spoken: `{"ok": true, "say": "..."}`, or
`{"error": "...", "say": "..."}`. A very small model does well by repeating it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from her_os.contracts.errors import ToolError
from her_os.contracts.language_model import ToolCall, ToolSpec

log = logging.getLogger(__name__)

T = TypeVar("T")
NOT_UNDERSTOOD = "Sorry, I did not get that right. Please say it again."


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool did. `data` is for a model that can make more of it than repeating `say`."""

    say: str
    data: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class Tool(Protocol):
    """Something the assistant can do."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of it."""
        ...

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Do it. Raises ToolError, also for arguments that do not fit (see `checked`)."""
        ...


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Base of every tool's arguments. What a model adds beyond them is ignored."""


class NoArguments(Arguments, frozen=True):
    """For tools that take none."""


def checked(arguments: Mapping[str, Any], kind: type[T], *, say: str = NOT_UNDERSTOOD) -> T:
    """The arguments as `kind`, numbers in strings allowed. Raises ToolError, which says `say` to the caller."""
    try:
        return msgspec.convert(arguments, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ToolError(f"arguments refused: {error}", say=say) from error


class ToolRegistry:
    """Runs the model's calls. Event loop only."""

    def __init__(self, tools: Sequence[Tool], *, timeout_s: float = 10.0) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._timeout_s = timeout_s

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of the tools."""
        return tuple(tool.spec for tool in self._tools.values())

    async def run(self, call: ToolCall) -> str:
        """Run a call. Its result as JSON text; every failure is one too, in words for the caller."""
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await self._find(call).run(_parsed(call))
        except ToolError as error:
            log.info("tool %s: %s", call.name, error)
            return _failure(error.message, error.say)
        except TimeoutError:
            log.warning("tool %s took longer than %g s", call.name, self._timeout_s)
            return _failure("timeout", "Sorry, that takes too long just now.")
        except Exception:
            log.exception("tool %s failed", call.name)
            return _failure("failed", "Sorry, that did not work.")
        return json.dumps({"ok": True, **result.data, "say": result.say}, ensure_ascii=False)

    def _find(self, call: ToolCall) -> Tool:
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name}", say="Sorry, I cannot do that yet.")
        return tool


def _parsed(call: ToolCall) -> dict[str, Any]:
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ToolError(f"arguments are no JSON object: {error}", say=NOT_UNDERSTOOD) from error


def _failure(error: str, say: str) -> str:
    return json.dumps({"error": error, "say": say}, ensure_ascii=False)
