"""Cut a stream of text into chunks that can be spoken while the rest is still being written.

The chunks follow each other without a gap: joined they are the text, white space included. The first one of a
reply comes early, at a clause, because the caller hears nothing before it; the later ones are sentences, which
synthesise with better melody. Where a sentence ends is decided in `sentence_ends`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from her_os.conversation.sentence_ends import Verdict, judge_end

FIRST_CLAUSE_WORDS = 4
FIRST_CLAUSE_CHARS = 25
MAX_CHUNK_CHARS = 280
"""A text without any sentence end is cut at a clause, or between words, before it grows longer than this."""

_CANDIDATE = re.compile(
    r"(?P<line>[^\S\n]*\n\s*)"
    r"|(?P<end>[.!?\u2026]+[\"'\u201d\u2019)\]*_`]*)(?P<space>[^\S\n]+)"
    r"|(?P<clause>(?:[,;:]|\s[-\u2013\u2014]|\u2014)[\"'\u201d\u2019)*_]*)[^\S\n]+"
)
_CLAUSE = re.compile(r"(?:[,;:]|\s[-\u2013\u2014]|\u2014)[\"'\u201d\u2019)*_]*\s+")
_FENCE = re.compile(r"^[ ]{0,3}(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SentenceChunk:
    """A piece of the reply. `start` and `end` index the whole reply, in characters: `reply[start:end] == text`."""

    text: str
    start: int
    end: int


class SentenceCutter:
    """Takes the text of one reply in deltas of any size, gives chunks as soon as their end is certain."""

    def __init__(self) -> None:
        self._pending = ""
        self._start = 0
        self._first = True

    def feed(self, delta: str) -> list[SentenceChunk]:
        """Append to the text. Returns the chunks that are complete now."""
        self._pending += delta
        return self._cut()

    def flush(self) -> list[SentenceChunk]:
        """The text ends here, or pauses (a tool runs): what is left. More may be fed; its first chunk is early again.

        Trailing white space stays, to begin the next chunk if there is one.
        """
        chunks = self._cut()
        if self._pending.strip():
            chunks.append(self._take(len(self._pending)))
        self._first = True
        return chunks

    def _cut(self) -> list[SentenceChunk]:
        chunks: list[SentenceChunk] = []
        while (end := self._next_end()) > 0:
            chunks.append(self._take(end))
        return chunks

    def _take(self, end: int) -> SentenceChunk:
        chunk = SentenceChunk(self._pending[:end], self._start, self._start + end)
        self._pending = self._pending[end:]
        self._start += end
        self._first = False
        return chunk

    def _next_end(self) -> int:
        """Where the first chunk of the pending text ends; 0 while that is uncertain."""
        text = self._pending
        if _inside_fence(text):
            return 0
        begin = len(text) - len(text.lstrip())
        for match in _CANDIDATE.finditer(text, begin):
            if match.end() == len(text) and match["line"] is None:
                break  # what follows decides
            verdict = self._judge(text, begin, match)
            if verdict is Verdict.END and not _inside_fence(text[: match.end()]):
                return match.end()
            if verdict is Verdict.WAIT:
                break
        if len(text) - begin > MAX_CHUNK_CHARS:
            return _forced_end(text, begin)
        return 0

    def _judge(self, text: str, begin: int, match: re.Match[str]) -> Verdict:
        if match["line"] is not None:
            return Verdict.END
        if match["end"] is not None:
            return judge_end(text[begin : match.end("end")], text[match.end() :])
        clause = text[begin : match.end("clause")]
        long_enough = len(clause) >= FIRST_CLAUSE_CHARS or len(clause.split()) >= FIRST_CLAUSE_WORDS
        if self._first and long_enough and not _belongs_together(clause, text[match.end() :]):
            return Verdict.END
        return Verdict.GO_ON


def _belongs_together(clause: str, rest: str) -> bool:
    """Whether a cut here would part what is read as one: a date or sum, a Markdown link, a bracket."""
    digits = clause.rstrip(" ,;:-\u2013\u2014")[-1:].isdigit() and rest[:1].isdigit()
    return digits or clause.count("[") > clause.count("]") or clause.count("(") > clause.count(")")


def _inside_fence(text: str) -> bool:
    """Whether a fenced code block is open at the end of `text`."""
    return len(_FENCE.findall(text)) % 2 == 1


def _forced_end(text: str, begin: int) -> int:
    """Where to cut a text that has no sentence end: after its last clause, else between words, else anywhere."""
    limit = begin + MAX_CHUNK_CHARS
    clauses = [match.end() for match in _CLAUSE.finditer(text, begin, limit)]
    if clauses and clauses[-1] > begin + MAX_CHUNK_CHARS // 3:
        return clauses[-1]
    space = text.rfind(" ", begin + 1, limit)
    return space + 1 if space > 0 else limit
