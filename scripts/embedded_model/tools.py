"""The contract of the embedded model's world: the system message, the tools, and how a message is written.

The network is never shown a schema: it is trained on these eight tools. The schemas matter to the
server, which constrains a call's arguments by them, so properties stand in the order trained here.
"""

import json
from typing import Any, NotRequired, TypedDict

SYSTEM = (
    "You are {name}, a warm voice assistant at home. Answer in one or two short sentences. Use a tool when one fits."
)
OPERATORS = ["plus", "minus", "times", "divided by"]
TIME_UNITS = ["seconds", "minutes", "hours"]


class ToolCall(TypedDict):
    """A call the assistant makes."""

    name: str
    arguments: dict[str, Any]


class Message(TypedDict):
    """One ChatML message. `learn` is False where the text must not be imitated (an interrupted reply)."""

    role: str
    content: str
    tool_call: NotRequired[ToolCall]
    learn: NotRequired[bool]


def _tool(name: str, description: str, required: list[str], /, **properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
TOOLS: list[dict[str, Any]] = [
    _tool("get_time", "The time now.", []),
    _tool("get_date", "Today's date.", []),
    _tool(
        "set_timer",
        "Start a timer.",
        ["amount", "unit"],
        amount={"type": "integer"},
        unit={"type": "string", "enum": TIME_UNITS},
        label=_TEXT,
    ),
    _tool("list_timers", "The timers that run.", []),
    _tool("cancel_timer", "Stop a timer.", [], label=_TEXT),
    _tool("find_contact", "A person's phone number.", ["name"], name=_TEXT),
    _tool(
        "calculate",
        "A sum of two numbers.",
        ["left", "operator", "right"],
        left=_NUMBER,
        operator={"type": "string", "enum": OPERATORS},
        right=_NUMBER,
    ),
    _tool("hang_up", "End the call.", []),
]


def body(message: Message) -> str:
    """Return what stands between `<|im_start|>role` and `<|im_end|>` for `message`."""
    if message["role"] == "tool":
        return f"<tool_response>\n{message['content']}\n</tool_response>"
    if "tool_call" not in message:
        return message["content"]
    call = message["tool_call"]
    written = json.dumps({"name": call["name"], "arguments": call["arguments"]}, ensure_ascii=False)
    return f"{message['content']}<tool_call>\n{written}\n</tool_call>"


def chatml_role(message: Message) -> str:
    """Return the ChatML role: a tool's result is written as the user's."""
    return "user" if message["role"] == "tool" else message["role"]


def render(messages: list[Message]) -> str:
    """Return the ChatML text of a conversation, byte for byte what `chat.jinja` writes."""
    return "".join(f"<|im_start|>{chatml_role(m)}\n{body(m)}<|im_end|>\n" for m in messages)
