"""The owner's phrases, from which the recogniser's domain language model is built.

One phrase a line, lower case, numbers in words; `#` starts a comment. A line `priya = P R IY Y AH` teaches how a
word is pronounced, in the phones of the CMU dictionary. Every complaint names file and line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from her_os.contracts.errors import ConfigError

_PHONES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
PHONES = frozenset(_PHONES.split())
"""The 39 phones of the CMU pronouncing dictionary, without stress."""

_PUNCTUATION = re.compile(r"[.,!?;:\"()]")
_WORD = re.compile(r"[a-z][a-z'.-]*|'[a-z]+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase in words, and the line it stands in."""

    line: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DomainPhrases:
    """A parsed file. `pronunciations` maps a word to its phones."""

    file: str
    phrases: tuple[Phrase, ...]
    pronunciations: dict[str, str] = field(default_factory=dict[str, str])

    def first_lines(self) -> dict[str, int]:
        """Each word and the line it appears in first."""
        lines: dict[str, int] = {}
        for phrase in self.phrases:
            for word in phrase.words:
                lines.setdefault(word, phrase.line)
        return lines


def read_domain_phrases(path: Path) -> DomainPhrases:
    """Read and check the file. Raises ConfigError with file, line and what to write instead."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}); it holds the phrases the recogniser knows", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", file=str(path)) from error
    return parse_domain_phrases(text, file=str(path))


def parse_domain_phrases(text: str, *, file: str) -> DomainPhrases:
    """Parse the text of the file; see `read_domain_phrases`."""
    phrases, pronunciations = _parse(text, file)
    if not phrases:
        raise ConfigError("holds no phrase; write one a line, for example: what time is it", file=file)
    return DomainPhrases(file, tuple(phrases), pronunciations)


def parse_pronunciations(text: str, *, file: str) -> dict[str, str]:
    """Parse a file of pronunciations only. Raises ConfigError with file and line."""
    return _parse(text, file)[1]


def _parse(text: str, file: str) -> tuple[list[Phrase], dict[str, str]]:
    phrases: list[Phrase] = []
    pronunciations: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        if "=" in line:
            word, phones = _pronunciation(line, file, number)
            pronunciations[word] = phones
        elif words := _words(line, file, number):
            phrases.append(Phrase(number, words))
    return phrases, pronunciations


def _words(line: str, file: str, number: int) -> tuple[str, ...]:
    words = tuple(_PUNCTUATION.sub(" ", line.lower().replace("’", "'")).split())
    for word in words:
        if any(character.isdigit() for character in word):
            raise ConfigError(f"{word!r} has digits; write the number in words", file=file, line=number)
        if not _WORD.fullmatch(word):
            raise ConfigError(
                f"{word!r} cannot be a word here; only the letters a to z, ' and - are known", file=file, line=number
            )
    return words


def _pronunciation(line: str, file: str, number: int) -> tuple[str, str]:
    word, _, spoken = line.partition("=")
    word, phones = word.strip().lower(), spoken.upper().split()
    if not _WORD.fullmatch(word) or not phones:
        raise ConfigError("expected a pronunciation such as: priya = P R IY Y AH", file=file, line=number)
    unknown = [phone for phone in phones if phone not in PHONES]
    if unknown:
        raise ConfigError(
            f"{unknown[0]!r} is not a phone; known: {' '.join(sorted(PHONES))}", file=file, line=number, field=word
        )
    return word, " ".join(phones)
