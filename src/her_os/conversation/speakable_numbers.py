"""Amounts as people say them: money, percentages, units, ranges, fractions, sums, years. One rule a kind.

A rule is a pattern and what to say for its match; None leaves the text to the rules after it. Order matters:
what needs more context comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from her_os.conversation import speakable_dates as dates
from her_os.conversation.number_words import cardinal, is_one, one_by_one, ordinal, plural, year

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_AMOUNT = rf"(?<![\w.,])(?P<sign>[-\u2212](?=\d))?(?P<low>{_NUMBER})(?:(?:-|\s?\u2013\s?)(?P<high>{_NUMBER}))?"
_SCALE = r"(?:\s?(?P<scale>k|K|M|bn|B|thousand|million|billion|trillion)\b)?"
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion", "B": "billion"}
_CURRENCIES = {
    "$": ("dollar", "cent"), "US$": ("dollar", "cent"), "USD": ("dollar", "cent"), "\u20ac": ("euro", "cent"),
    "EUR": ("euro", "cent"), "\u00a3": ("pound", "penny"), "GBP": ("pound", "penny"), "\u00a5": ("yen", ""),
    "JPY": ("yen", ""), "\u20b9": ("rupee", "paisa"),
}  # fmt: skip
_PLURALS = {"penny": "pence", "yen": "yen", "paisa": "paise"}
_UNITS = {
    "km/h": "kilometer per hour", "kph": "kilometer per hour", "mph": "mile per hour", "m/s": "meter per second",
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter", "mi": "mile", "ft": "foot",
    "kg": "kilogram", "mg": "milligram", "g": "gram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "ml": "milliliter", "mL": "milliliter", "l": "liter", "L": "liter", "kWh": "kilowatt hour", "kW": "kilowatt",
    "W": "watt", "V": "volt", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz",
    "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "ms": "millisecond",
    "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour",
    "hrs": "hour", "\u00b0C": "degree Celsius", "\u00b0F": "degree Fahrenheit", "\u00b0": "degree",
    "\u00ba": "degree", "m\u00b2": "square meter", "km\u00b2": "square kilometer", "tbsp": "tablespoon",
    "tsp": "teaspoon", "kcal": "kilocalorie",
}  # fmt: skip
_FEET = {"foot": "feet", "hertz": "hertz", "kilohertz": "kilohertz", "megahertz": "megahertz", "gigahertz": "gigahertz"}
_PARTS = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 32, 100})
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_VULGAR = {"\u00bd": "a half", "\u00bc": "a quarter", "\u00be": "three quarters", "\u2153": "a third"}
_OPERATORS = {
    "+": "plus", "-": "minus", "\u2212": "minus", "\u00d7": "times", "x": "times", "*": "times", "\u00f7": "divided by",
    "/": "divided by", "=": "equals", "<": "is less than", ">": "is greater than", "\u2264": "is at most",
    "\u2265": "is at least", "\u2260": "is not", "\u2248": "is about", "^": "to the power of", "\u2013": "to",
}  # fmt: skip
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|by|until|till|year|of|after|before|around|circa|during|early|late|mid|spring|summer|fall"
    r"|autumn|winter|from)\s|\()$",
    re.IGNORECASE,
)


def _amount(match: re.Match[str]) -> str:
    spoken = cardinal((match["sign"] or "") + match["low"])
    return f"{spoken} to {cardinal(match['high'])}" if match["high"] else spoken


def _single(match: re.Match[str]) -> bool:
    return not match["high"] and is_one(match["low"])


def _units_plural(name: str) -> str:
    first, space, rest = name.partition(" ")
    if first == "square" or name == "kilowatt hour":
        return f"{name}s"
    return _FEET.get(first, f"{first}s") + space + rest


def _measure(match: re.Match[str]) -> str:
    name = _UNITS[match["unit"]]
    return f"{_amount(match)} {name if _single(match) else _units_plural(name)}"


def _money(match: re.Match[str]) -> str:
    main, minor = _CURRENCIES[match["currency"]]
    number = match["number"].replace(",", "")
    minus = "minus " if match["sign"] else ""
    many = _PLURALS.get(main, f"{main}s")
    if match["scale"]:
        return f"{minus}{cardinal(number)} {_SCALES.get(match['scale'], match['scale'])} {many}"
    whole, _, fraction = number.partition(".")
    if not minor or len(fraction) > 2:
        return f"{minus}{cardinal(number)} {main if is_one(number) else many}"
    cents = int((fraction + "00")[:2])
    coins = f"{cardinal(str(cents))} {minor if cents == 1 else _PLURALS.get(minor, f'{minor}s')}"
    notes = f"{cardinal(whole)} {main if is_one(whole) else many}"
    if not cents:
        return minus + notes
    return minus + (coins if int(whole) == 0 else f"{notes} and {coins}")


def _fraction(match: re.Match[str]) -> str:
    upper, lower = int(match["upper"]), int(match["lower"])
    whole = match["whole"]
    if lower == 10 and not whole:
        return f"{cardinal(str(upper))} out of ten"
    if lower < 2 or upper >= lower or lower not in _PARTS:
        return " ".join(cardinal(part) for part in (whole, match["upper"], match["lower"]) if part)
    part = {2: "half", 4: "quarter"}.get(lower, ordinal(lower))
    many = "halves" if lower == 2 else f"{part}s"
    spoken = f"{'one' if not whole else 'a'} {part}" if upper == 1 else f"{cardinal(str(upper))} {many}"
    return f"{cardinal(whole)} and {spoken}" if whole else spoken


def _operator(match: re.Match[str]) -> str | None:
    """A sign between two numbers. Hyphen, dash, slash and x need space around them to be one."""
    sign = match[0]
    before, after = match.string[: match.start()], match.string[match.end() :]
    spaced = before[-1:].isspace() and after[:1].isspace()
    left, right = before.rstrip()[-1:], after.lstrip()[:1]
    if sign == "=" and spaced and left and right:
        return "equals"
    if not (left.isdigit() or left in {"%", ")"}) or not (right.isdigit() or right in {"(", "-", "$", "?"}):
        return None
    if sign in {"-", "/", "\u2013"} and not spaced:
        return None
    return f"{'' if spaced else ' '}{_OPERATORS[sign]}{'' if spaced else ' '}"


def _plain_number(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    if not match["sign"] and re.fullmatch(r"1[1-9]\d\d|20\d\d", low):
        if high and re.fullmatch(r"1[1-9]\d\d|20\d\d", high):
            return f"{year(int(low))} to {year(int(high))}"
        if not high and _YEAR_BEFORE.search(match.string[: match.start()]):
            return year(int(low))
    return _amount(match)


def _decade(match: re.Match[str]) -> str:
    century, tens = match["century"] or "", match["tens"]
    spoken = year(int(f"{century}{tens}")) if century else cardinal(tens)
    head, separator, last = spoken.rpartition(" ")
    return head + separator + plural(last)


def _version(match: re.Match[str]) -> str:
    parts = match[0].lstrip("vV").split(".")
    joint = " dot " if len(parts) == 4 else " point "
    return ("version " if match[0][0] in "vV" else "") + joint.join(cardinal(part) for part in parts)


def _foot_and_inches(match: re.Match[str]) -> str:
    return f"{cardinal(match['feet'])} foot {cardinal(match['inches'])}"


def _vulgar(match: re.Match[str]) -> str:
    part = _VULGAR[match["part"]]
    return f"{cardinal(match['whole'])} and {part}" if match["whole"] else part


def _embedded(match: re.Match[str]) -> str:
    """Digits in or beside letters; a long row without commas is a number of something, read digit by digit."""
    return one_by_one(match[0]) if len(match[0]) > 6 and match[0].isdigit() else cardinal(match[0])


_CURRENCY_FIRST = rf"(?P<sign>[-\u2212])?(?P<currency>US\$|[$\u20ac\u00a3\u00a5\u20b9])\s?(?P<number>{_NUMBER}){_SCALE}"
_LAST_SIGN = r"[\u20ac\u00a3]|(?:USD|EUR|GBP|JPY)\b"
_CURRENCY_LAST = rf"(?<![\w.,])(?P<sign>[-\u2212])?(?P<number>{_NUMBER}){_SCALE}\s?(?P<currency>{_LAST_SIGN})"
_FEET_INCHES = r"(?<!\w)(?P<feet>\d)['\u2032]\s?(?P<inches>\d{1,2})[\"\u2033]"
_DECADE_BEFORE = r"(?<=the\s)['\u2019]?|(?<=rly\s)|(?<=ate\s)|(?<=['\u2019])"
_DECADE = rf"(?<!\w)(?:(?P<century>1\d|20)|{_DECADE_BEFORE})(?P<tens>[1-9]0)['\u2019]?s\b"
_FRACTION = r"(?<![\w./])(?:(?P<whole>\d+)\s)?(?P<upper>\d{1,3})/(?P<lower>\d{1,3})(?![\w/]|\.\d)"

NUMBER_RULES: tuple[Rule, ...] = (
    (dates.ISO_DATE, dates.say_date),
    (dates.SLASH_DATE, dates.say_slash_date),
    (dates.MONTH_DAY, dates.say_date),
    (dates.DAY_MONTH, dates.say_date),
    (dates.MONTH_YEAR, dates.say_month_year),
    (dates.TIME, dates.say_time),
    (dates.HOUR, dates.say_hour),
    (re.compile(_CURRENCY_FIRST), _money),
    (re.compile(_CURRENCY_LAST), _money),
    (dates.PHONE, dates.say_phone),
    (re.compile(r"(?<![\w.])[vV]?\d+(?:\.\d+){2,}(?!\w)"), _version),
    (re.compile(_DECADE), _decade),
    (re.compile(rf"{_AMOUNT}\s?(?:%|percent\b|per cent\b)"), lambda match: f"{_amount(match)} percent"),
    (re.compile(rf"{_AMOUNT}[\s-]?(?P<unit>{_UNIT})(?![\w/])(?:\.(?=[,;]|\s+[a-z]))?"), _measure),
    (re.compile(_FEET_INCHES), _foot_and_inches),
    (
        re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b"),
        lambda m: ordinal(int(m[1].replace(",", ""))),
    ),
    (re.compile(_FRACTION), _fraction),
    (re.compile(rf"(?:(?P<whole>\d+)\s?)?(?P<part>[{''.join(_VULGAR)}])"), _vulgar),
    (re.compile(r"(?:#|\b[Nn]os?\.\s?|\u2116\s?)(\d+)\b"), lambda match: f"number {cardinal(match[1])}"),
    (re.compile(r"~(?=\s?\d)"), lambda _: "about "),
    (re.compile(r"(?<=\d)\u00b2"), lambda _: " squared"),
    (re.compile(rf"{_AMOUNT}(?!\w|[.,]\d)"), _plain_number),
    (re.compile(r"[-+\u2212\u2013\u00d7x*\u00f7/=<>\u2264\u2265\u2260\u2248^]"), _operator),
    (re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"), _embedded),
)
"""Ordered. The last rule takes digits that stand in or beside letters (`A4`, `COVID-19`)."""
