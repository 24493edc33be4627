"""Numbers as words, by num2words. Text in is digits as people write them (`1,200`, `4.5`, `007`)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import num2words as _library

MAX_DIGITS = 15
"""A longer number is read digit by digit."""


def _words(value: int | Decimal, kind: str = "cardinal") -> str:
    to_words: Any = _library.num2words  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return str(to_words(value, to=kind)).replace(",", "")


def cardinal(digits: str) -> str:
    """`1,200` -> one thousand two hundred; `4.50` -> four point five zero; `007` -> zero zero seven."""
    digits = digits.replace(",", "").replace("\u2212", "-")
    if digits.startswith("-"):
        return f"minus {cardinal(digits[1:])}"
    whole, point, fraction = digits.partition(".")
    if (len(whole) > 1 and whole.startswith("0")) or len(whole) > MAX_DIGITS:
        spoken = one_by_one(whole)
    else:
        spoken = _words(int(whole or "0"))
    return f"{spoken} point {one_by_one(fraction)}" if point and fraction else spoken


def ordinal(value: int) -> str:
    """21 -> twenty-first."""
    return _words(value, "ordinal")


def year(value: int) -> str:
    """1984 -> nineteen eighty-four; 2005 -> two thousand and five."""
    return _words(value, "year")


def one_by_one(digits: str) -> str:
    """`42` -> four two."""
    return " ".join(_words(int(digit)) for digit in digits if digit.isdigit())


def is_one(digits: str) -> bool:
    """Whether a unit after this number is singular."""
    return digits.lstrip("-\u2212") == "1"


def plural(word: str) -> str:
    """Plural of a number word: ninety -> nineties, hundred -> hundreds, six -> sixes."""
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("x", "s")) else f"{word}s"
