"""Timers on virtual time: an hour passes in no time at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from her_os.contracts.errors import ToolError
from her_os.conversation.tools.timers import (
    MOST_TIMERS,
    CancelTimer,
    ListTimers,
    SetTimer,
    Timer,
    TimerBook,
    say_duration,
)


class Clock:
    """A scheduler whose time moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.planned: list[tuple[float, Callable[[], None], asyncio.Event]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Cancel:
        cancelled = asyncio.Event()
        self.planned.append((self.now + delay, callback, cancelled))
        return Cancel(cancelled)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for plan in sorted(self.planned, key=lambda plan: plan[0]):
            if plan[0] <= self.now:
                self.planned.remove(plan)
                if not plan[2].is_set():
                    plan[1]()


class Cancel:
    def __init__(self, event: asyncio.Event) -> None:
        self.event = event

    def cancel(self) -> None:
        self.event.set()


class Timers:
    """The three tools over one book."""

    def __init__(self) -> None:
        self.clock, self.rung = Clock(), list[Timer]()
        self.book = TimerBook(self.clock, self.rung.append)

    async def set(self, amount: object, unit: str, label: str | None = None) -> str:
        arguments = {"amount": amount, "unit": unit} | ({"label": label} if label else {})
        return (await SetTimer(self.book).run(arguments)).say

    async def list(self) -> str:
        return (await ListTimers(self.book).run({})).say

    async def cancel(self, label: str | None = None) -> str:
        try:
            return (await CancelTimer(self.book).run({"label": label})).say
        except ToolError as error:
            return error.say


@pytest.mark.parametrize(
    ("amount", "unit", "label", "say", "seconds"),
    [
        (10, "minutes", "tea", "Okay, ten minutes for the tea.", 600),
        ("twenty", "seconds", None, "Okay, twenty seconds.", 20),
        ("twenty five", "minutes", "the pasta timer", "Okay, twenty five minutes for the pasta.", 1500),
        ("1", "hours", "My Cake.", "Okay, one hour for my cake.", 3600),
        (1.5, "hours", None, "Okay, one hour and thirty minutes.", 5400),
        ("half an", "hours", None, None, None),
        ("one and a half", "minutes", "ironing", "Okay, one minute and thirty seconds for ironing.", 90),
    ],
)
async def test_setting(amount: object, unit: str, label: str | None, say: str | None, seconds: int | None) -> None:
    timers = Timers()
    if say is None:
        with pytest.raises(ToolError, match="no number"):
            await timers.set(amount, unit, label)
        return
    assert await timers.set(amount, unit, label) == say
    assert seconds is not None
    timers.clock.advance(seconds - 1)
    assert timers.rung == []
    timers.clock.advance(1)
    assert len(timers.rung) == 1


@pytest.mark.parametrize("amount", [0, -5, 0.1, 25 * 3600, "soon", None, True, [5]])
async def test_lengths_that_make_no_sense(amount: object) -> None:
    timers = Timers()
    with pytest.raises(ToolError) as caught:
        await timers.set(amount, "seconds")
    assert caught.value.say
    assert timers.book.running() == []


async def test_a_timer_rings_once_and_says_what_it_was_for() -> None:
    timers = Timers()
    await timers.set(3, "minutes", "tea")
    await timers.set(2, "minutes")
    timers.clock.advance(500)
    assert [timer.announcement for timer in timers.rung] == [
        "Your two minute timer is done.",
        "Your tea timer is done.",
    ]
    timers.clock.advance(500)
    assert len(timers.rung) == 2


async def test_listing() -> None:
    timers = Timers()
    assert await timers.list() == "You have no timers."
    await timers.set(5, "minutes", "tea")
    timers.clock.advance(60)
    assert await timers.list() == "You have one timer: tea timer with four minutes left."
    await timers.set(1, "hours")
    expected = "You have two timers: tea timer with four minutes left and one hour timer with one hour left."
    assert await timers.list() == expected
    assert timers.book.open_tasks() == ["tea timer with four minutes left", "one hour timer with one hour left"]


async def test_cancelling() -> None:
    timers = Timers()
    assert await timers.cancel() == "You have no timers."
    await timers.set(5, "minutes", "tea")
    assert await timers.cancel("pasta") == "There is no pasta timer."
    assert await timers.cancel() == "Your tea timer is cancelled."
    await timers.set(5, "minutes", "tea")
    await timers.set(10, "minutes")
    assert await timers.cancel() == "You have the tea timer and the ten minute timer. Which one shall I cancel?"
    assert await timers.cancel("ten minute") == "Your ten minute timer is cancelled."
    assert await timers.cancel("the tea timer") == "Your tea timer is cancelled."
    await timers.set(5, "minutes", "tea")
    await timers.set(6, "minutes", "tea")
    assert await timers.cancel("all") == "All your timers are cancelled."
    timers.clock.advance(3600)
    assert timers.rung == []


async def test_there_is_an_end_to_timers() -> None:
    timers = Timers()
    for _ in range(MOST_TIMERS):
        await timers.set(1, "minutes")
    with pytest.raises(ToolError, match="too many"):
        await timers.set(1, "minutes")


async def test_the_end_of_the_call_ends_its_timers() -> None:
    timers = Timers()
    await timers.set(1, "minutes")
    timers.book.close()
    timers.book.close()
    timers.clock.advance(60)
    assert timers.rung == []


@pytest.mark.looptime
async def test_an_event_loop_is_a_scheduler() -> None:
    rung = asyncio.Event()
    loop = asyncio.get_running_loop()
    book = TimerBook(loop, lambda timer: rung.set())
    before = loop.time()
    await SetTimer(book).run({"amount": 2, "unit": "hours"})
    await rung.wait()
    assert loop.time() - before == pytest.approx(7200)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "one second"),
        (59.99, "one minute"),
        (61, "one minute and one second"),
        (3600, "one hour"),
        (3725, "one hour and two minutes"),
        (-3, "one second"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert say_duration(seconds) == said
