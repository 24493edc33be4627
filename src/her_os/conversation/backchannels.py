"""Words by which a listener says no more than "I am listening". Pure, English."""

from __future__ import annotations

import re

_SAID = "mm mmm mhm mhmm hm hmm hmmm uh um huh ah aha oh ooh yeah yep yup yes okay ok right sure alright really"
_WORDS = frozenset(f"{_SAID} wow cool nice fine good great".split())
_PHRASES = re.compile(r"\b(i see|i know|got it|go on|uh huh|mm hmm|of course|all right|that's (nice|good|great))\b")
_MOST_WORDS = 4


def is_backchannel(text: str) -> bool:
    """Whether a speaker who hears this may go on: "mm-hm", "yeah okay". No words are none."""
    said = re.sub(r"[^a-z' ]+", " ", text.lower())
    if not said.strip() or len(said.split()) > _MOST_WORDS:
        return False
    return set(_PHRASES.sub(" ", said).split()) <= _WORDS
