"""A tiny phrase grammar: `[a|b|]` is a choice (the empty one too), `{slot}` is filled by the caller.

Choices nest. `expand` draws one phrase, `every` lists them all; both return single-spaced text.
"""

import itertools
import random
import re
from collections.abc import Iterator

_SPACES = re.compile(r"\s+")
_SLOT = re.compile(r"\{(\w+)\}")


def split_choice(text: str) -> tuple[str, list[str], str] | None:
    """Cut `text` at its first bracket: what precedes it, its options, what follows. None without one."""
    start = text.find("[")
    if start < 0:
        return None
    depth, options, last = 0, [], start + 1
    for at in range(start, len(text)):
        char = text[at]
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                options.append(text[last:at])
                return text[:start], options, text[at + 1 :]
        elif char == "|" and depth == 1:
            options.append(text[last:at])
            last = at + 1
    raise ValueError(f"unbalanced brackets in phrase: {text!r}")


def expand(template: str, rng: random.Random) -> str:
    """Return one random expansion of the choices in `template`; slots stay as they are."""
    while (cut := split_choice(template)) is not None:
        before, options, after = cut
        template = before + rng.choice(options) + after
    return tidy(template)


def every(template: str) -> Iterator[str]:
    """Yield every expansion of the choices in `template`; slots stay as they are."""
    cut = split_choice(template)
    if cut is None:
        yield tidy(template)
        return
    before, options, after = cut
    for option in options:
        for rest in every(option + after):
            yield tidy(before + rest)


def slots(template: str) -> list[str]:
    """Return the names of the slots in `template`, in order."""
    return _SLOT.findall(template)


def fill(template: str, values: dict[str, str]) -> str:
    """Replace each `{slot}`; raise KeyError when a value is missing."""
    return tidy(_SLOT.sub(lambda match: values[match.group(1)], template))


def combinations(values: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yield every assignment of one value to each slot."""
    names = list(values)
    for row in itertools.product(*values.values()):
        yield dict(zip(names, row, strict=True))


def tidy(text: str) -> str:
    """Collapse spaces."""
    return _SPACES.sub(" ", text).strip()


def listed(text: str) -> list[str]:
    """Return the words of a block of text."""
    return text.split()
