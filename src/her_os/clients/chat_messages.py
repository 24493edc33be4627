"""Messages and tools in the shape of the OpenAI chat API, as llama-server takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from her_os.contracts.language_model import Message, ToolCall, ToolSpec


def chat_message(message: Message) -> dict[str, Any]:
    """One message."""
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


def chat_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """The offered tools."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": _object_text(call.arguments)},
    }


def _object_text(arguments: str) -> str:
    """The server refuses a whole history for one malformed call in it: such arguments go back as empty."""
    try:
        value: object = json.loads(arguments)
    except ValueError:
        return "{}"
    return arguments if isinstance(value, dict) else "{}"
