"""Addresses, abbreviations and signs as people say them; what has no sound is dropped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from her_os.conversation.number_words import one_by_one

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]

_TOP_LEVEL = "com|org|net|edu|gov|io|dev|app|info|biz|ai|co|me|tv|de|uk|eu|us|ca|au|fr|nl|ch|at|home|local"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_URL = re.compile(
    r"(?:(?P<scheme>https?://)(?:www\.)?|www\.|(?<![\w@.]))"
    rf"(?P<host>(?:{_LABEL}\.)+(?:{_TOP_LEVEL})|(?<=//)[^\s/:?#]+)(?P<port>:\d+)?"
    r"(?![\w@])(?P<path>/[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]|/)?",
    re.IGNORECASE,
)
_EMAIL = re.compile(rf"(?<![\w.])(?P<name>[\w.+-]+)@(?P<host>(?:{_LABEL}\.)+[A-Za-z]{{2,}})")
_EXPANSIONS = {
    "Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Prof.": "Professor", "Mt.": "Mount",
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "vs": "versus",
    "approx.": "approximately", "Jr.": "Junior", "Sr.": "Senior", "Ave.": "Avenue", "Blvd.": "Boulevard",
    "Rd.": "Road", "Inc.": "Incorporated", "Ltd.": "Limited", "Dept.": "Department", "min.": "minutes",
    "w/": "with", "w/o": "without", "incl.": "including", "Fig.": "Figure", "Vol.": "Volume",
    "Mon.": "Monday", "Tue.": "Tuesday", "Wed.": "Wednesday", "Thu.": "Thursday", "Fri.": "Friday",
    "Sat.": "Saturday", "Sun.": "Sunday",
}  # fmt: skip
_ABBREVIATION = re.compile(
    r"(?<![\w.])(?:" + "|".join(re.escape(a) for a in sorted(_EXPANSIONS, key=len, reverse=True)) + r")(?!\w)"
)
_ENDS_SENTENCE = frozenset({"etc.", "Jr.", "Sr.", "Ave.", "Blvd.", "Rd.", "Inc.", "Ltd.", "Dept.", "min."})
_SIGNS = {
    "&": "and", "@": "at", "\u2192": "to", "\u2190": "from", "\u00a7": "section", "\u2211": "the sum of",
    "\u221e": "infinity", "\u03c0": "pi", "\u00b5": "micro", "\u2022": ",", "\u00b7": ",", "|": ",",
}  # fmt: skip
_PICTOGRAPH = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2300-\u23ff\u2b00-\u2bff\u3030\u303d\u200d\u20e3\ufe0e\ufe0f"
    "\U000e0020-\U000e007f]+"
)


def _host(name: str) -> str:
    return " dot ".join(name.split("."))


def _url(match: re.Match[str]) -> str | None:
    """`https://www.example.com/help` -> example dot com slash help. A long path is not read out."""
    spoken = _host(match["host"])
    if match["port"]:
        spoken += f" port {one_by_one(match['port'])}"
    path = (match["path"] or "").strip("/")
    if path and len(path) <= 24 and re.fullmatch(r"[A-Za-z-]+(?:/[A-Za-z-]+)?", path):
        spoken += " slash " + " slash ".join(part.replace("-", " dash ") for part in path.split("/"))
    return spoken


def _email(match: re.Match[str]) -> str:
    name = match["name"]
    for sign, word in ((".", "dot"), ("_", "underscore"), ("-", "dash"), ("+", "plus")):
        name = name.replace(sign, f" {word} ")
    return f"{name} at {_host(match['host'])}"


def _abbreviation(match: re.Match[str]) -> str | None:
    """The full word; one at the very end of the text keeps its full stop."""
    at_end = not match.string[match.end() :].strip() and match[0] in _ENDS_SENTENCE
    return _EXPANSIONS[match[0]] + ("." if at_end else "")


def _saint_or_street(match: re.Match[str]) -> str:
    return "Saint" if re.match(r"\s[A-Z]", match.string[match.end() :]) and not match["name"] else "Street"


def _sign(match: re.Match[str]) -> str:
    word = _SIGNS[match[0]]
    if word == ",":
        return ", "
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    left = "" if not before or before.isspace() else " "
    return f"{left}{word}{'' if not after or after.isspace() else ' '}"


def _either(match: re.Match[str]) -> str:
    return " " if match.string[: match.start()].lower().endswith("and") else " or "


WORD_RULES: tuple[Rule, ...] = (
    (_EMAIL, _email),
    (_URL, _url),
    (_ABBREVIATION, _abbreviation),
    (re.compile(r"(?:(?<=[a-z]\s)|(?P<name>(?<=[a-z])))\bSt\.(?!\w)|\bSt\.(?=\s[A-Z])"), _saint_or_street),
    (_PICTOGRAPH, lambda _: ""),
    (re.compile(r"(?<=[A-Za-z])/(?=[A-Za-z])"), _either),
    (re.compile(r"#(?=[A-Za-z])"), lambda _: "hashtag "),
    (re.compile(r"\s*\u2014\s*|(?<!\d)\s+(?:--?|\u2013)\s+|\s+(?:--?|\u2013)\s+(?!\d)"), lambda _: ", "),
    (re.compile("|".join(re.escape(sign) for sign in _SIGNS)), _sign),
    (re.compile(r"[\u2018\u2019]"), lambda _: "'"),
    (re.compile(r"[\u201c\u201d\u00ab\u00bb\u201e]"), lambda _: '"'),
    (re.compile(r"\u2026"), lambda _: "..."),
    (re.compile(r"[\u00a9\u00ae\u2122*_`~^\\\u200b\u2060\ufeff]+"), lambda m: " " if m[0][0] == "_" else ""),
)
"""Ordered; applied after the rules for numbers. A dropped sign is an empty string."""


def names_of_pictographs(text: str) -> str:
    """What a text of nothing but emoji says, by their Unicode names: a reply must not be mute."""
    return ", ".join(
        unicodedata.name(character, "").lower()
        for character in text
        if _PICTOGRAPH.match(character) and unicodedata.category(character) == "So"
    )
