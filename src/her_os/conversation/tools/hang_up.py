"""Ending the call because the caller said goodbye."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from her_os.contracts.language_model import ToolSpec
from her_os.conversation.tools.registry import NoArguments, ToolResult, checked


class HangUp:
    """`hang_up {}`. `request` asks the call to end once the farewell has been spoken."""

    spec = ToolSpec(
        "hang_up", "End the call.", {"type": "object", "properties": {}, "required": []}, changes_things=True
    )

    def __init__(self, request: Callable[[], None]) -> None:
        self._request = request

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        checked(arguments, NoArguments)
        self._request()
        return ToolResult("Goodbye.")
