"""Timers of one call. When one is due, the call hears of it; when the call ends, they end with it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from her_os.contracts.errors import ToolError
from her_os.contracts.language_model import ToolSpec
from her_os.conversation.tools.registry import Arguments, NoArguments, ToolResult, checked
from her_os.conversation.tools.spoken_numbers import parse_number, say_list, say_number

Unit = Literal["seconds", "minutes", "hours"]
_SECONDS: dict[Unit, int] = {"seconds": 1, "minutes": 60, "hours": 3600}
_PLURAL = re.compile(r"(?<=second|minute)s\b|(?<=hour)s\b")
LONGEST_S = 24 * 3600
MOST_TIMERS = 20


class Handle(Protocol):
    """A scheduled callback."""

    def cancel(self) -> object: ...


class Scheduler(Protocol):
    """Time, as an asyncio event loop gives it (virtual in tests)."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle: ...


@dataclass(frozen=True, eq=False)
class Timer:
    """`due` on the scheduler's clock; `label` may be empty; `length` in words, "ten minutes"."""

    label: str
    length: str
    due: float

    @property
    def name(self) -> str:
        """What it is called: "tea timer", or "ten minute timer" for one without a label."""
        return f"{self.label or _PLURAL.sub('', self.length)} timer"

    @property
    def announcement(self) -> str:
        """What is said when it is due."""
        return f"Your {self.name} is done."


class TimerBook:
    """The timers of one call. `on_due` is called from the scheduler, once for each. End it with `close`."""

    def __init__(self, scheduler: Scheduler, on_due: Callable[[Timer], None]) -> None:
        self._scheduler, self._on_due = scheduler, on_due
        self._running: dict[Timer, Handle] = {}

    def start(self, seconds: float, length: str, label: str) -> Timer:
        """Start a timer. Raises ToolError when there are too many."""
        if len(self._running) >= MOST_TIMERS:
            raise ToolError("too many timers", say=f"You already have {say_number(MOST_TIMERS)} timers.")
        timer = Timer(label, length, self._scheduler.time() + seconds)
        self._running[timer] = self._scheduler.call_later(seconds, lambda: self._ring(timer))
        return timer

    def stop(self, timer: Timer) -> None:
        """Stop a timer. Nothing happens when it is not running."""
        handle = self._running.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def running(self) -> list[Timer]:
        """The timers, the next one due first."""
        return sorted(self._running, key=lambda timer: timer.due)

    def describe(self, timer: Timer) -> str:
        """Name and rest: "tea timer with four minutes left"."""
        return f"{timer.name} with {say_duration(timer.due - self._scheduler.time())} left"

    def open_tasks(self) -> Sequence[str]:
        """What still runs, for the history's compaction."""
        return [self.describe(timer) for timer in self.running()]

    def close(self) -> None:
        """Stop all. Idempotent."""
        for timer in list(self._running):
            self.stop(timer)

    def _ring(self, timer: Timer) -> None:
        if self._running.pop(timer, None) is not None:
            self._on_due(timer)


class NewTimer(Arguments, frozen=True):
    """`amount` may come in words."""

    amount: int | float | str
    unit: Unit
    label: str | None = None


class Which(Arguments, frozen=True):
    """A timer by its label; none means the only one."""

    label: str | None = None


class SetTimer:
    """`set_timer {amount, unit, label?}`: "Okay, ten minutes for the tea."."""

    spec = ToolSpec(
        "set_timer",
        "Start a timer.",
        {
            "type": "object",
            "properties": {
                "amount": {"type": "integer"},
                "unit": {"type": "string", "enum": ["seconds", "minutes", "hours"]},
                "label": {"type": "string"},
            },
            "required": ["amount", "unit"],
        },
        changes_things=True,
    )

    def __init__(self, book: TimerBook) -> None:
        self._book = book

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        wanted = checked(arguments, NewTimer, say="Sorry, for how long shall the timer run?")
        amount = parse_number(wanted.amount)
        seconds = float(amount * _SECONDS[wanted.unit])
        if not 1 <= seconds <= LONGEST_S:
            raise ToolError("length out of range", say="I can set timers from one second to twenty four hours.")
        whole = amount == amount.to_integral_value()
        length = _count(int(amount), wanted.unit) if whole else say_duration(seconds)
        timer = self._book.start(seconds, length, _label(wanted.label))
        say = f"Okay, {length}{_purpose(timer.label)}."
        return ToolResult(say, {"seconds": round(seconds)})


class ListTimers:
    """`list_timers {}`: "You have one timer: tea timer with four minutes left."."""

    spec = ToolSpec("list_timers", "The timers that run.", {"type": "object", "properties": {}, "required": []})

    def __init__(self, book: TimerBook) -> None:
        self._book = book

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        checked(arguments, NoArguments)
        tasks = self._book.open_tasks()
        if not tasks:
            return ToolResult("You have no timers.")
        count = "one timer" if len(tasks) == 1 else f"{say_number(len(tasks))} timers"
        return ToolResult(f"You have {count}: {say_list(tasks)}.")


class CancelTimer:
    """`cancel_timer {label?}`: "Your tea timer is cancelled."."""

    spec = ToolSpec(
        "cancel_timer",
        "Stop a timer.",
        {"type": "object", "properties": {"label": {"type": "string"}}, "required": []},
        changes_things=True,
    )

    def __init__(self, book: TimerBook) -> None:
        self._book = book

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        label = _label(checked(arguments, Which).label)
        running = self._book.running()
        if not running:
            raise ToolError("no timers", say="You have no timers.")
        if label in {"all", "every", "both"}:
            self._book.close()
            return ToolResult("All your timers are cancelled.")
        meant = [timer for timer in running if not label or label in {timer.label, timer.length, _label(timer.name)}]
        if not meant:
            raise ToolError("no such timer", say=f"There is no {label} timer.")
        if len(meant) > 1:
            names = say_list([f"the {timer.name}" for timer in meant])
            raise ToolError("several timers", say=f"You have {names}. Which one shall I cancel?")
        self._book.stop(meant[0])
        return ToolResult(f"Your {meant[0].name} is cancelled.")


def say_duration(seconds: float) -> str:
    """A length, as "one hour and five minutes": the two largest units, seconds rounded up."""
    left = max(1, math.ceil(seconds - 0.05))
    hours, minutes, rest = left // 3600, left // 60 % 60, left % 60
    parts: list[tuple[int, Unit]] = [(hours, "hours"), (minutes, "minutes"), (rest, "seconds")]
    said = [_count(number, unit) for number, unit in parts if number]
    return say_list(said[:2])


def _count(number: int, unit: Unit) -> str:
    return f"{say_number(number)} {unit[:-1] if number == 1 else unit}"


def _label(label: str | None) -> str:
    """A label as it is kept: "the Tea timer." is "tea"."""
    words = [word.strip(".,!?") for word in (label or "").lower().split()]
    words = words[1:] if words[:1] in (["the"], ["a"], ["an"]) else words
    words = words[:-1] if words[-1:] in (["timer"], ["timers"]) else words
    return " ".join(word for word in words if word)[:60]


def _purpose(label: str) -> str:
    if not label:
        return ""
    first = label.split(" ")[0]
    own = first in {"my", "your", "our", "his", "her", "their", "this", "that"} or first.endswith(("'s", "ing"))
    return f" for {label}" if own else f" for the {label}"
