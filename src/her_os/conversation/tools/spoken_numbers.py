"""Numbers as a caller says them and as the assistant does: "twenty five" <-> 25."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import cast

import num2words as _num2words  # pyright: ignore[reportMissingTypeStubs]

from her_os.contracts.errors import ToolError

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {
    **{word: value for value, word in enumerate(_DIGITS + _TEENS)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
    "oh": 0,
    "a": 1,
    "an": 1,
}
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 10**9, "trillion": 10**12}
LARGEST = Decimal(10) ** 15
"""Numbers beyond this are refused: nobody wants to hear them."""


def parse_number(value: float | str) -> Decimal:
    """A number from JSON or from words: 20, "20", "1,200", "twenty five", "minus three point five".

    Raises ToolError for anything else, NaN, infinities and numbers beyond `LARGEST`.
    """
    number = _from_figures(str(value)) if not isinstance(value, str) else _from_text(value)
    if number is None or not number.is_finite() or abs(number) > LARGEST:
        raise ToolError(f"{value!r} is no number", say="Sorry, I did not get the number. Please say it again.")
    return number


def say_number(number: Decimal | int) -> str:
    """Words without hyphens, as the recogniser writes them too: 125 is "one hundred twenty five"."""
    sign = "minus " if number < 0 else ""  # num2words drops that of a fraction below one
    words = sign + cast("str", _num2words.num2words(abs(number)))  # pyright: ignore[reportUnknownMemberType]
    return re.sub(r"[-,]", " ", words).replace(" and ", " ").replace("  ", " ")


def say_ordinal(number: int) -> str:
    """The 21 of a date is "twenty first"."""
    return cast("str", _num2words.num2words(number, to="ordinal")).replace("-", " ")  # pyright: ignore[reportUnknownMemberType]


def say_digits(text: str) -> str:
    """A phone number digit by digit, grouped as it is written, else by three: "five five five, one two three"."""
    groups = re.findall(r"[0-9]+", text)
    if len(groups) == 1 and len(groups[0]) > 4:
        groups = re.findall(r"[0-9]{3}(?=[0-9]{2})|[0-9]+", groups[0])
    said = ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups)
    return f"plus {said}" if text.lstrip().startswith("+") else said


def say_list(items: Sequence[str]) -> str:
    """Items as they are spoken: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def capitalised(sentence: str) -> str:
    """The sentence with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]


def _from_figures(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _from_text(text: str) -> Decimal | None:
    text = text.strip().lower()
    figures = _from_figures(re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
    if figures is not None:
        return figures
    words = re.findall(r"[a-z]+", text)
    if not words or re.search(r"[^a-z\s'-]", text):
        return None
    negative = words[0] in {"minus", "negative"}
    whole, _, digits = " ".join(words[1:] if negative else words).partition(" point ")
    number = _from_words(whole.split())
    if number is None:
        return None
    if digits:
        places = [_SMALL.get(word, 10) for word in digits.split()]
        if max(places) > 9:
            return None
        number += Decimal("0." + "".join(map(str, places)))
    return -number if negative else number


def _from_words(words: Sequence[str]) -> Decimal | None:
    """Cardinal words only. "half" may end them: "one and a half", "half"."""
    half = Decimal(0)
    if tuple(words[-1:]) == ("half",):
        half, words = Decimal("0.5"), words[:-1]
        words = words[:-1] if tuple(words[-1:]) in (("a",), ("an",)) else words
    words = [word for word in words if word != "and"]
    if not words:
        return half or None
    total = current = 0
    for word in words:
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
        else:
            return None
    return total + current + half
