"""Times, dates and phone numbers as people say them. Each function takes a regular expression's match."""

from __future__ import annotations

import re

from her_os.conversation.number_words import cardinal, one_by_one, ordinal, year

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>1\d{3}|20\d{2})"

TIME = re.compile(
    r"(?<![\d:.,])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
    r"(?:\s?(?P<half>[ap])\.?m(?:\.|\b))?",
    re.IGNORECASE,
)
HOUR = re.compile(r"(?<![\d:.,])(?P<hour>1[0-2]|0?[1-9])\s?(?P<half>[ap])\.?m(?:\.|\b)", re.IGNORECASE)
MONTH_DAY = re.compile(rf"\b{MONTH}\s{_DAY}(?:st|nd|rd|th)?(?!\d|:\d)(?:,?\s{_YEAR}(?!\d))?")
DAY_MONTH = re.compile(rf"(?<![\d.,]){_DAY}(?:st|nd|rd|th)?(?:\sof)?\s{MONTH}(?:,?\s{_YEAR}(?!\d))?")
MONTH_YEAR = re.compile(rf"\b{MONTH}\s{_YEAR}(?!\d)")
ISO_DATE = re.compile(rf"(?<!\d){_YEAR}-(?P<month>0[1-9]|1[0-2])-{_DAY}(?!\d)")
SLASH_DATE = re.compile(rf"(?<![\d/])(?P<first>\d{{1,2}})/(?P<second>\d{{1,2}})/{_YEAR}(?![\d/])")
PHONE = re.compile(
    r"(?<![\w.$])(?:(?P<country>\+\d{1,3})[ .-]?)?(?P<area>\(\d{2,5}\)[ .-]?)?"
    r"(?P<rest>\d{2,4}(?:[ .-]\d{2,4}){1,5}|\d{7,12})(?![\w-]*\d)"
)


def say_time(match: re.Match[str]) -> str:
    """`3:30 p.m.` -> three thirty p.m.; `15:05` -> fifteen oh five; `9:00` -> nine o'clock."""
    hour, minute, half = match["hour"], int(match["minute"]), match["half"]
    spoken = "midnight" if int(hour) in {0, 24} and not half and not minute else cardinal(str(int(hour)))
    if minute:
        spoken += f" {'oh ' if minute < 10 else ''}{cardinal(str(minute))}"
    elif not half and 0 < int(hour) < 13:
        spoken += " o'clock"
    elif not half and 12 < int(hour) < 24:
        spoken += " hundred"
    if match["second"]:
        spoken += f" and {cardinal(str(int(match['second'])))} seconds"
    return spoken + _half(half)


def say_hour(match: re.Match[str]) -> str:
    """`9 a.m.` and `9am` -> nine a.m."""
    return cardinal(str(int(match["hour"]))) + _half(match["half"])


def _half(letter: str | None) -> str:
    return f" {letter.lower()}.m." if letter else ""


def say_date(match: re.Match[str]) -> str:
    """`Jan. 5, 2026` and `5 January 2026` -> January fifth, twenty twenty-six."""
    return _date(_month_name(match["month"]), int(match["day"]), match["year"])


def say_month_year(match: re.Match[str]) -> str:
    """`March 2026` -> March twenty twenty-six."""
    return f"{_month_name(match['month'])} {year(int(match['year']))}"


def say_slash_date(match: re.Match[str]) -> str | None:
    """`11/21/2026` -> November twenty-first; the other order where the first number cannot be a month."""
    month, day = int(match["first"]), int(match["second"])
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return _date(MONTHS[month - 1], day, match["year"])


def say_phone(match: re.Match[str]) -> str | None:
    """Digit by digit, a pause between groups. None for what is a range of years, or too short."""
    country, area, rest = match["country"], match["area"], match["rest"]
    groups = re.findall(r"\d+", rest)
    marked = bool(country or area or rest.startswith("0"))
    count = sum(len(group) for group in groups)
    if count + len(area or "") < 7 or (len(groups) == 1 and not marked):
        return None
    if not marked and (" " in rest or [len(group) for group in groups] == [4, 4] or len(groups[-1]) < 4):
        return None
    spoken = [f"plus {one_by_one(country)}"] if country else []
    spoken += [one_by_one(group) for group in [area or "", *groups] if group]
    return ", ".join(spoken)


def _month_name(text: str) -> str:
    """From a name, an abbreviation or a number."""
    if text.isdigit():
        return MONTHS[int(text) - 1]
    return next(month for month in MONTHS if month.startswith(text[:3]))


def _date(month: str, day: int, year_digits: str | None) -> str:
    spoken = f"{month} {ordinal(day)}"
    return f"{spoken}, {year(int(year_digits))}" if year_digits else spoken
