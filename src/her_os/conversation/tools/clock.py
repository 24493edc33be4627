"""The time and the date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from her_os.contracts.language_model import ToolSpec
from her_os.conversation.tools.registry import NoArguments, ToolResult, checked
from her_os.conversation.tools.spoken_numbers import say_number, say_ordinal

Now = Callable[[], datetime]
"""The time where the household is, with its zone."""


class GetTime:
    """`get_time {}`: "It is three twenty in the afternoon."."""

    spec = ToolSpec("get_time", "The time now.", {"type": "object", "properties": {}, "required": []})

    def __init__(self, now: Now) -> None:
        self._now = now

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        checked(arguments, NoArguments)
        now = self._now()
        return ToolResult(f"It is {say_time(now)}.", {"time": f"{now:%H:%M}"})


class GetDate:
    """`get_date {}`: "Today is Friday, the twenty first of November."."""

    spec = ToolSpec("get_date", "Today's date.", {"type": "object", "properties": {}, "required": []})

    def __init__(self, now: Now) -> None:
        self._now = now

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        checked(arguments, NoArguments)
        now = self._now()
        return ToolResult(f"Today is {now:%A}, the {say_ordinal(now.day)} of {now:%B}.", {"date": f"{now:%Y-%m-%d}"})


def say_time(now: datetime) -> str:
    """The twelve-hour clock in words, with the part of the day."""
    hour = say_number(now.hour % 12 or 12)
    if now.minute == 0:
        if now.hour in (0, 12):
            return "midnight" if now.hour == 0 else "noon"
        minute = "o'clock"
    elif now.minute < 10:
        minute = f"oh {say_number(now.minute)}"
    else:
        minute = say_number(now.minute)
    part = "at night" if now.hour < 4 or now.hour >= 22 else "in the morning" if now.hour < 12 else ""
    part = part or ("in the afternoon" if now.hour < 18 else "in the evening")
    return f"{hour} {minute} {part}"
