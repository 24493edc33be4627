"""How words sound: the CMU dictionary, what her-os and the owner add, and possessives by rule.

Source of the rule: English plural and possessive -s is /IH Z/ after a sibilant, /S/ after another voiceless
consonant, /Z/ elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_ALTERNATIVE = re.compile(r"\(\d+\)$")
_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})


class Pronunciations:
    """All the ways each word is said, in the dictionary's order."""

    def __init__(self, dictionary: Path, added: Mapping[str, str]) -> None:
        self._known: dict[str, list[str]] = {}
        for line in dictionary.read_text(encoding="utf-8").splitlines():
            spelled, _, phones = line.partition(" ")
            self._known.setdefault(_ALTERNATIVE.sub("", spelled), []).append(phones.strip())
        for word, phones in added.items():
            self._known.setdefault(word, []).insert(0, phones)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def of(self, word: str) -> list[str]:
        """Phones of each way to say `word`; empty where nothing is known."""
        if word in self._known:
            return self._known[word]
        with_apostrophe = f"{word[:-1]}'s"
        if not word.endswith("s"):
            return []
        if with_apostrophe in self._known:
            return self._known[with_apostrophe]
        base = word[:-1].removesuffix("'")
        return [f"{phones} {_ending(phones)}" for phones in self._known.get(base, [])]

    def lines(self, words: Iterable[str]) -> list[str]:
        """Dictionary lines for `words`, alternatives numbered from (2) as pocketsphinx wants them."""
        return [
            f"{word if number == 1 else f'{word}({number})'} {phones}"
            for word in words
            for number, phones in enumerate(dict.fromkeys(self.of(word)), 1)
        ]


def _ending(phones: str) -> str:
    last = phones.rsplit(" ", 1)[-1]
    if last in _SIBILANTS:
        return "IH Z"
    return "S" if last in _VOICELESS else "Z"
