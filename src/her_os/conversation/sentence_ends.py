"""Whether a sentence ends at a full stop, question mark, exclamation mark or ellipsis followed by white space.

Rules of our own, because a stream must be judged at the very character, with a right context of one word at
most: after an abbreviation that can also end a sentence, the next word decides. Measured on the gold list in
tests/conversation/gold_sentences.txt (precision and recall in the test).
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Verdict(Enum):
    """What is known about a possible end."""

    END = auto()
    GO_ON = auto()
    WAIT = auto()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_LAST = _words("mr mrs ms mx dr prof messrs mme mlle e.g i.e eg vs cf ca approx viz resp incl excl esp")
"""Abbreviations that another word always follows (without the last full stop, lower case)."""

_TITLES = _words("rev fr hon gen col maj capt cpt lt sgt cmdr sen rep gov pres mt")
"""The same, but only when they are written with a capital."""

_BEFORE_NUMBER = _words(
    "no nos nr p pp fig figs vol ch sec art eq ext tel jan feb mar apr jun jul aug sep sept oct nov dec"
)
"""Abbreviations only before a number; else an ordinary word or the end of a sentence."""

_MAYBE_LAST = _words(
    "a.m p.m pm u.s u.k u.n e.u u.s.a d.c b.c a.d ph.d m.d b.a m.a b.sc m.sc etc inc ltd co corp llc bros "
    "jr sr st ft ave blvd rd hwy sq apt dept univ assn est min max hr hrs secs mins lb lbs oz yr yrs tbsp tsp "
    "sat sun mon tue tues wed thu thur thurs fri"
)
"""Abbreviations after which only a word that usually begins a sentence begins one."""

_STARTERS = _words(
    "i i'm i'll i've i'd it it's its this that that's these those there there's they they're we we're we'll "
    "you you're you'll your he he's she she's his her my our their the a an and but or so if when while what what's "
    "where who why how which would will can could should shall may do does did is are was were have has had let "
    "let's please ok okay yes no not now then also after before here here's for from in on at with to as "
    "anything something everything nothing just maybe perhaps thanks sorry sure first next finally "
    "however although because since until remember note don't shall both each all some most many"
)
"""Words that often begin a sentence and seldom a name."""

_OPENERS = "\"'\u201c\u2018([*_`#>"
_CLOSERS = "\"'\u201d\u2019)]*_`"
_WORD = re.compile(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?")
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t]*\(?(?:\d{1,3}|[A-Za-z])[.]$")


def judge_end(before: str, after: str) -> Verdict:
    """Judge a possible end. `before` ends with the mark and its closing quotes, `after` begins past the space."""
    closed = before[-1] in _CLOSERS
    stopped = before.rstrip(_CLOSERS)
    following = after.lstrip(_OPENERS)
    if not following:
        return Verdict.WAIT
    lower = following[0].islower()
    if not stopped.endswith("."):
        ellipsis = stopped.endswith("\u2026")
        return Verdict.GO_ON if lower and (closed or ellipsis) else Verdict.END
    if stopped.endswith(".."):
        return Verdict.GO_ON if lower else Verdict.END
    if _LIST_NUMBER.search(stopped):
        return Verdict.GO_ON
    return _judge_full_stop(stopped, following, lower=lower)


def _judge_full_stop(stopped: str, following: str, *, lower: bool) -> Verdict:
    word = stopped[:-1].split()[-1].lstrip(_OPENERS) if stopped[:-1].split() else ""
    key = word.lower()
    if lower or key in _NEVER_LAST or (key in _TITLES and word[0].isupper()):
        return Verdict.GO_ON
    if key in _BEFORE_NUMBER:
        return Verdict.GO_ON if following[0].isdigit() else Verdict.END
    if len(word) == 1 and word.isalpha() and word != "I":
        return _next_word_begins_a_sentence(following)
    if key in _MAYBE_LAST or re.fullmatch(r"(?:[a-z]\.)+[a-z]", key):
        return _next_word_begins_a_sentence(following)
    return Verdict.END


def _next_word_begins_a_sentence(following: str) -> Verdict:
    match = _WORD.match(following)
    if match is None:
        return Verdict.GO_ON
    if match.end() == len(following):
        return Verdict.WAIT
    return Verdict.END if match[0].replace("\u2019", "'").lower() in _STARTERS else Verdict.GO_ON
