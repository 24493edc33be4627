"""What the voices say: the phrase, what sounds like it, and anything else. Pure but for the dictionary it is given."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_NAMES = (
    "danny", "nanny", "andy", "anna", "alan", "jarvis", "penny", "manny", "jenny", "benny", "annabel", "amy", "abby",
    "allie", "ashley", "eddie", "emmy", "jimmy", "johnny", "tony", "mom", "honey", "there", "you", "google", "computer",
)  # fmt: skip
_WORDS = ("any", "many", "company", "uncanny", "and he", "in a", "on it", "hand it", "anything", "anyway", "antique")
_GREETINGS = ("hello", "okay", "hi", "oh", "say", "they", "may", "day", "where is", "ask", "and", "tell", "call")
_ONSETS = ("b", "d", "f", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "sh", "ch", "st", "gr")
_VOWELS = ("a", "e", "i", "o", "u")


def spellings(phrase: str) -> list[str]:
    """The phrase as people write it, which changes how a voice says it."""
    words = phrase.split()
    joined = [phrase, f"{phrase}!", f"{phrase}?", f"{phrase}.", phrase.title()]
    return joined + ([f"{words[0]}, {' '.join(words[1:])}"] if len(words) > 1 else [])


def near_misses(phrase: str) -> list[str]:
    """What must not wake: parts of the phrase, other names after its beginning, rhymes, other vowels."""
    words = phrase.lower().split()
    near = {word for word in words if len(words) > 1}
    near |= {" ".join(reversed(words))} if len(words) > 1 else set[str]()
    head, last = words[:-1], words[-1]
    near |= {" ".join([*head, name]) for name in (*_NAMES, *_WORDS)} | set(_WORDS)
    near |= {" ".join([greeting, *words[1:]]) for greeting in _GREETINGS} if head else set[str]()
    for index, word in enumerate(words):
        for other in (*_rhymes(word), *_other_vowels(word)):
            near.add(" ".join([*words[:index], other, *words[index + 1 :]]))
            near.add(other)
    near |= {f"{last} {tail}" for tail in ("is here", "said so", "and i")}
    return sorted(near - {phrase.lower()})


def word_salad(words: Sequence[str], rng: random.Random) -> str:
    """A few words of a dictionary in no order: every sound of the language beside every other."""
    return " ".join(rng.choice(words) for _ in range(rng.randint(4, 9)))


def _rhymes(word: str) -> list[str]:
    rest = re.sub(r"^[^aeiouy]+", "", word)
    return [onset + rest for onset in _ONSETS if onset + rest != word] if rest else []


def _other_vowels(word: str) -> list[str]:
    match = re.search(r"[aeiou]+", word)
    if match is None:
        return []
    return [word[: match.start()] + vowel + word[match.end() :] for vowel in _VOWELS if vowel != match[0]]
