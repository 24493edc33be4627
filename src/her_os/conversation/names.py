"""Names in what a caller said, for what must outlive the words: who is speaking, and of whom they spoke.

A recogniser without capitals gives little to go by, so a phrase must leave no doubt ("call me later" names nobody);
people of the household's contacts are known by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = r"([a-z][a-z'-]*[a-z])"
_CALLER = re.compile(
    rf"\b(?:my name is|my name's|i am called|i'm called|you can call me|please call me|just call me) {_NAME}"
    rf"|\bthis is {_NAME} (?:speaking|calling|here)\b"
    rf"|\bcall me {_NAME}(?:[.!,]| please| from now on|$)",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"\bmy ((?:older |younger |big |little )?(?:sister|brother|mother|father|mom|mum|dad|wife|husband|son|daughter|"
    r"grandmother|grandfather|grandma|grandpa|aunt|uncle|cousin|friend|neighbour|neighbor|boss|doctor|dentist|dog|cat)"
    rf")(?: is called|'s name is| is named) {_NAME}",
    re.IGNORECASE,
)
_COMMON_WORDS = """
    a about after again and any anytime as at back before by crazy during early every first for from he here if in it
    late later maybe me my never next no not now old on once or please she sometime soon stupid sure that the then
    there they this to today tomorrow tonight very what when whenever you
"""
_NO_NAME = frozenset(_COMMON_WORDS.split())


def caller_name(text: str) -> str:
    """The name a caller gives themselves, as it is written; empty when there is none."""
    for match in _CALLER.finditer(text):
        name = next(group for group in match.groups() if group)
        if name.lower() not in _NO_NAME:
            return _written(name)
    return ""


def people_in(text: str, known: Sequence[str] = ()) -> list[str]:
    """Others who are named: "my sister is called Mary" gives "Mary (sister)"; those of `known` as they are there."""
    lower = f" {re.sub(r'[^a-z0-9 ]', ' ', text.lower())} "
    found = [name for name in known if f" {name.lower()} " in lower]
    for kinship, name in _RELATIVE.findall(text):
        if name.lower() not in _NO_NAME:
            found.append(f"{_written(name)} ({kinship.lower()})")
    return list(dict.fromkeys(found))


def _written(name: str) -> str:
    return name[0].upper() + name[1:]
