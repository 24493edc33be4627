"""Text made speakable, with the way back: which word of the source each spoken word stands for.

What the caller heard of a reply is known by position, in spoken characters; what enters the history is source
text. `SpeakableText` holds both and the words that tie them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from her_os.conversation.speakable_markup import PlainText, strip_markup
from her_os.conversation.speakable_numbers import NUMBER_RULES
from her_os.conversation.speakable_words import WORD_RULES, names_of_pictographs

_RULES = (*NUMBER_RULES, *WORD_RULES)
_COPIED = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\s+|.", re.DOTALL)
_SILENT_END = re.compile(r"\W+$")


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word of the source (or a phrase that is read as one) and the words it is spoken as; half-open ranges."""

    source_start: int
    source_end: int
    spoken_start: int
    spoken_end: int


@dataclass(frozen=True, slots=True)
class SpeakableText:
    """`text` is for the synthesiser. `spans` are in order and do not overlap; `source_length` in characters."""

    text: str
    spans: tuple[WordSpan, ...]
    source_length: int

    def source_end_for(self, spoken_chars: int) -> int:
        """End of the last source word that is wholly within the first `spoken_chars` characters of `text`.

        0 when no word is; `source_length` when all are. A word whose closing punctuation is missing is whole.
        """
        ends = [span.spoken_end for span in self.spans]
        index = bisect_right(ends, spoken_chars)
        if index < len(self.spans):
            span = self.spans[index]
            audible = _SILENT_END.sub("", self.text[span.spoken_start : span.spoken_end])
            index += span.spoken_start + len(audible) <= spoken_chars and bool(audible)
        if index == len(self.spans):
            return self.source_length if spoken_chars > 0 else 0
        return self.spans[index - 1].source_end if index else 0


def make_speakable(source: str) -> SpeakableText:
    """Numbers, dates, money, units, Markdown, addresses and emoji as words. Text without sound gives no text."""
    plain = strip_markup(source)
    spoken = _Spoken(plain)
    text = plain.text
    at = 0
    while at < len(text):
        at = spoken.step(text, at)
    result = spoken.finish(len(source))
    if any(character.isalnum() for character in result.text):
        return result
    names = names_of_pictographs(source)
    return SpeakableText(names, (WordSpan(0, len(source), 0, len(names)),) if names else (), len(source))


class _Spoken:
    """The spoken text as it grows, tidied at the seams, and the word that is being spoken."""

    def __init__(self, plain: PlainText) -> None:
        self._plain = plain
        self._text = ""
        self._spans: list[WordSpan] = []
        self._word: tuple[int, int, int] | None = None

    def step(self, text: str, at: int) -> int:
        """Say what begins at `at` of the plain text. Returns where the next step begins."""
        for pattern, say in _RULES:
            match = pattern.match(text, at)
            if match and match.end() > at and (words := say(match)) is not None:
                self._add(at, match.end(), words)
                return match.end()
        match = _COPIED.match(text, at)
        assert match is not None
        self._add(at, match.end(), match[0])
        return match.end()

    def finish(self, source_length: int) -> SpeakableText:
        self._end_word()
        text = self._text.rstrip()
        spans = [span for span in self._spans if span.spoken_start < len(text)]
        return SpeakableText(text, tuple(spans), source_length)

    def _add(self, start: int, end: int, words: str) -> None:
        parts_words = not any(character.isalnum() for character in words) and (
            not words.strip() or any(character.isspace() for character in self._plain.text[start:end])
        )
        if parts_words and words:
            self._end_word()
        words = self._joint(words)
        if words and not parts_words:
            begin = self._word or (start, end, len(self._text) + len(words) - len(words.lstrip()))
            self._word = (begin[0], end, begin[2])
        self._text += words

    def _joint(self, words: str) -> str:
        """Keep one space between words and none before a comma or full stop."""
        if not words:
            return ""
        last = self._text[-1:]
        if words.isspace() or words[0].isspace():
            words = ("" if not last or last.isspace() else " ") + words.lstrip()
        elif last.isalnum() and words[0].isalnum() and words[:1] != "'":
            words = f" {words}"
        elif words[0] in ".,!?;:" and last.isspace():
            self._text = self._text.rstrip()
        if words[:1] == "," and (not self._text or self._text[-1] in ",;:!?"):
            words = words[1:]
            if self._text[-1:].isspace() or not self._text:
                words = words.lstrip()
        return words

    def _end_word(self) -> None:
        if self._word is not None:
            start, end, spoken_start = self._word
            origin, origin_end = self._plain.origin, self._plain.origin_end
            self._spans.append(WordSpan(origin[start], origin_end[end - 1], spoken_start, len(self._text)))
            self._word = None
