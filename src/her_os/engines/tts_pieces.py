"""Cut text into pieces that a synthesiser can be stopped between.

flite analyses a whole text before its first callback and cannot be interrupted meanwhile: 780 words hold
the thread for 2 s, 200 characters for a few ms. The synthesis thread uses the same pieces to let two calls
take turns.
"""

from __future__ import annotations

import re

MAX_PIECE_CHARS = 200

_LIGHT_SIGNS = frozenset(".,;:!?'\"()-\u2013\u2014\u2018\u2019\u201c\u201d\u2026")
_HEAVY = 6
_LONGEST_WORD = 30

_SENTENCE_END = re.compile(r"(?:(?<=[a-z0-9]{3}[.!?])|(?<=[!?][\"')\]]))\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_CLAUSE_END = re.compile(r"[,;:.!?\u2013\u2014]+[\"')\]]*\s")


def cut_pieces(text: str, limit: int = MAX_PIECE_CHARS) -> list[str]:
    """Sentences of `text`, none longer than `limit`, cut at a clause, then a space, then anywhere.

    The limit is in characters of words; a digit or sign counts for the word it is read as, and so does each
    letter far into a word that nobody can mean as one. Joined by spaces the pieces hold every non-space character
    of `text` in order. Blank text gives no piece.
    """
    pieces: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        rest = sentence.strip()
        while (reach := _reach(rest, limit)) < len(rest):
            at = _cut_at(rest, reach)
            pieces.append(rest[:at].rstrip())
            rest = rest[at:].lstrip()
        if rest:
            pieces.append(rest)
    return pieces


def _reach(text: str, limit: int) -> int:
    """How many characters of `text` fit into `limit`; at least one."""
    weight = in_word = 0
    for index, character in enumerate(text):
        in_word = 0 if character.isspace() else in_word + 1
        plain = character.isalpha() or character.isspace() or character in _LIGHT_SIGNS
        weight += 1 if plain and in_word <= _LONGEST_WORD else _HEAVY
        if weight > limit:
            return max(index, 1)
    return len(text)


def _cut_at(text: str, reach: int) -> int:
    """Where the first piece of `text` ends: the last clause end in the second half of `reach`, else a space."""
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, 0, reach)]
    if clauses and clauses[-1] > reach // 2:
        return clauses[-1]
    space = text.rfind(" ", 1, reach)
    return space if space > 0 else reach
