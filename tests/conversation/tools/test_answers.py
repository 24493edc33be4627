"""What the clock, sums, contacts and hanging up say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ToolError
from her_os.conversation.tools.calculate import Calculate
from her_os.conversation.tools.clock import GetDate, GetTime, say_time
from her_os.conversation.tools.contacts import FindContact, find
from her_os.conversation.tools.hang_up import HangUp
from her_os.conversation.tools.spoken_numbers import parse_number, say_digits, say_number


@dataclass(frozen=True)
class Person:
    name: str
    phone: str
    aliases: list[str] = field(default_factory=list)


class Book:
    def __init__(self, *people: Person) -> None:
        self.people = people

    def contacts(self) -> tuple[Person, ...]:
        return self.people


ANNA = Person("Anna Winter", "+1 555 010 0134", ["mum"])
ANNE = Person("Anne Summer", "5550177")
BELL = Person("Doctor Bell", "555-0199", ["the doctor"])


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (0, 0, "midnight"),
        (12, 0, "noon"),
        (7, 0, "seven o'clock in the morning"),
        (7, 5, "seven oh five in the morning"),
        (15, 20, "three twenty in the afternoon"),
        (18, 30, "six thirty in the evening"),
        (23, 59, "eleven fifty nine at night"),
        (0, 30, "twelve thirty at night"),
    ],
)
def test_the_time_in_words(hour: int, minute: int, said: str) -> None:
    assert say_time(datetime(2025, 11, 21, hour, minute, tzinfo=UTC)) == said


async def test_time_and_date() -> None:
    now = datetime(2025, 11, 21, 15, 20, tzinfo=UTC)
    assert (await GetTime(lambda: now).run({})).say == "It is three twenty in the afternoon."
    assert (await GetDate(lambda: now).run({})).say == "Today is Friday, the twenty first of November."


@pytest.mark.parametrize(
    ("left", "operator", "right", "say"),
    [
        (12, "times", 4, "Twelve times four is forty eight."),
        ("twelve", "plus", "thirty", "Twelve plus thirty is forty two."),
        (10, "divided by", 4, "Ten divided by four is two point five."),
        (10, "divided by", 3, "Ten divided by three is about three point three three three."),
        (0.1, "plus", 0.2, "Zero point one plus zero point two is zero point three."),
        (3, "minus", 5, "Three minus five is minus two."),
        ("1,200", "plus", 1, "One thousand two hundred plus one is one thousand two hundred one."),
        (100, "times", 10, "One hundred times ten is one thousand."),
    ],
)
async def test_sums(left: object, operator: str, right: object, say: str) -> None:
    assert (await Calculate().run({"left": left, "operator": operator, "right": right})).say == say


@pytest.mark.parametrize(
    ("left", "operator", "right", "says"),
    [
        (1, "divided by", 0, "divide by zero"),
        (1, "power", 2, "say it again"),
        ("a lot", "plus", 2, "get the number"),
        (1e15, "times", 1e15, "too big"),
        ("NaN", "plus", 1, "get the number"),
    ],
)
async def test_sums_that_cannot_be_done(left: object, operator: str, right: object, says: str) -> None:
    with pytest.raises(ToolError) as caught:
        await Calculate().run({"left": left, "operator": operator, "right": right})
    assert says in caught.value.say


@given(st.integers(-(10**14), 10**14))
def test_a_number_in_words_is_understood_again(number: int) -> None:
    assert parse_number(say_number(number)) == number


@given(st.decimals(min_value=-1000, max_value=1000, places=3, allow_nan=False))
def test_a_fraction_in_words_is_understood_again(number: Decimal) -> None:
    assert parse_number(say_number(number.normalize() + 0)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("twenty", "20"),
        (" Twenty-Five ", "25"),
        ("a hundred and ten", "110"),
        ("two and a half", "2.5"),
        ("-3.5", "-3.5"),
    ],
)
def test_numbers_as_callers_say_them(text: str, number: str) -> None:
    assert parse_number(text) == Decimal(number)


@pytest.mark.parametrize(
    ("phone", "said"),
    [
        ("+1 555 010", "plus one, five five five, zero one zero"),
        ("5550123", "five five five, zero one two three"),
        ("112", "one one two"),
        ("(0)30-12", "zero, three zero, one two"),
    ],
)
def test_phone_numbers_digit_by_digit(phone: str, said: str) -> None:
    assert say_digits(phone) == said


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        ("anna", [ANNA]),
        ("Anna's", [ANNA]),
        ("mum", [ANNA]),
        ("hanna winter", [ANNA]),
        ("ann", [ANNA, ANNE]),
        ("doctor bill", [BELL]),
        ("the doctor", [BELL]),
        ("zebra", []),
        ("?", []),
    ],
)
def test_names_heard_well_and_badly(heard: str, found: list[Person]) -> None:
    assert find(heard, (ANNA, ANNE, BELL)) == found


async def test_a_contact_is_found_or_not() -> None:
    tool = FindContact(Book(ANNA, ANNE, BELL))
    say = "Anna Winter is at plus one, five five five, zero one zero, zero one three four."
    assert (await tool.run({"name": "anna"})).say == say
    for name, says in (
        ("zebra", "I could not find Zebra in your contacts."),
        ("ann", "I found Anna Winter and Anne Summer. Which one do you mean?"),
        (" ", "Whose number would you like?"),
    ):
        with pytest.raises(ToolError) as caught:
            await tool.run({"name": name})
        assert caught.value.say == says


async def test_hanging_up_asks_for_it() -> None:
    asked: list[bool] = []
    assert (await HangUp(lambda: asked.append(True)).run({})).say == "Goodbye."
    assert asked == [True]
