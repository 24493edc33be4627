"""Durations and sums: what is said, and the arguments a tool call must carry."""

import random
from dataclasses import dataclass

from . import grammar, phrasings, words


@dataclass(frozen=True)
class Duration:
    """A duration as a noun ("ten minutes"), as an adjective ("ten minute"), and as a timer's arguments."""

    spoken: str
    adjective: str
    amount: int
    unit: str


_FIXED = [
    Duration("half an hour", "half hour", 30, "minutes"),
    Duration("half an hour", "thirty minute", 30, "minutes"),
    Duration("an hour", "one hour", 1, "hours"),
    Duration("a minute", "one minute", 1, "minutes"),
    Duration("an hour and a half", "ninety minute", 90, "minutes"),
    Duration("one and a half hours", "ninety minute", 90, "minutes"),
    Duration("a quarter of an hour", "fifteen minute", 15, "minutes"),
    Duration("two and a half minutes", "two and a half minute", 150, "seconds"),
    Duration("a minute and a half", "ninety second", 90, "seconds"),
    Duration("three quarters of an hour", "forty five minute", 45, "minutes"),
]
_COMMON = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 90]


def duration(rng: random.Random, digits: bool) -> Duration:
    """Return a random duration; `digits` writes its number as figures."""
    if rng.random() < 0.12 and not digits:
        return rng.choice(_FIXED)
    unit = rng.choice(["minutes", "minutes", "minutes", "seconds", "hours"])
    if unit == "hours":
        amount = rng.choice([1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 24])
    else:
        amount = rng.choice([rng.choice(_COMMON), rng.randint(1, 99), rng.randint(1, 60)])
        if rng.random() < 0.03:
            amount = rng.randint(100, 300)
    said = str(amount) if digits else words.number_words(amount)
    plural = unit if amount != 1 else unit[:-1]
    return Duration(f"{said} {plural}", f"{said} {unit[:-1]}", amount, unit)


def _operand(rng: random.Random, digits: bool) -> tuple[str, int | float]:
    value = rng.choice(
        [
            rng.randint(0, 12),
            rng.randint(0, 20),
            rng.randint(0, 99),
            rng.randint(0, 99),
            rng.randint(100, 999),
            rng.randint(1, 9) * 100,
            rng.choice([100, 100, 200, 300, 500, 1000, rng.randint(10, 99) * 10]),
        ]
    )
    if rng.random() < 0.04:
        value = rng.choice([rng.randint(1, 9) * 1000, rng.randint(1000, 9999)])
    if rng.random() < 0.04:
        tenth = rng.randint(1, 9)
        small = value % 100
        said = f"{small}.{tenth}" if digits else f"{words.number_words(small)} point {words.UNITS[tenth]}"
        return said, float(f"{small}.{tenth}")
    if digits:
        return str(value), value
    said = words.number_words(value)
    if value >= 100 and rng.random() < 0.3:
        said = said.replace(" hundred ", " hundred and ")
    if 100 <= value < 200 and rng.random() < 0.3:
        said = said.replace("one hundred", "a hundred")
    return said, value


def calculation(rng: random.Random, digits: bool) -> tuple[str, dict[str, str | int | float]]:
    """Return a phrase that asks for a sum, and the arguments of `calculate`."""
    operator = rng.choice(list(phrasings.OPERATORS))
    left, left_value = _operand(rng, digits)
    right, right_value = _operand(rng, digits)
    said = rng.choice(phrasings.OPERATORS[operator])
    if digits and rng.random() < 0.5:
        said = {"plus": "+", "minus": "-", "times": rng.choice(["*", "x"]), "divided by": "/"}[operator]
    template = rng.choice(phrasings.CALCULATE)
    if rng.random() < 0.25:
        template, said = rng.choice(phrasings.CALCULATE_VERBS[operator]), ""
    phrase = grammar.fill(grammar.expand(template, rng), {"left": left, "right": right, "operator": said})
    return phrase, {"left": left_value, "operator": operator, "right": right_value}
