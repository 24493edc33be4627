"""Partials that never take a word back: commit a word only when several hypotheses in a row agreed on it.

A streaming search changes its mind about the last words all the time ("could you say", "could you set a"). Here a
word waits until it stood at its place for so many hypotheses and its sound ended a while ago. With two hypotheses and
no while this is LocalAgreement-2 (Liu et al., 2020; used for Whisper by Machacek et al., 2023). Pure: words and times
in, text out.
"""

from __future__ import annotations

from collections.abc import Sequence

from her_os.contracts.speech_to_text import Word

AGREEING = 4
"""Consecutive hypotheses (80 ms apart) that must contain the word at its place."""

SETTLED_MS = 160
"""A word whose sound ended later than this ago may still grow into another."""

_PUNCTUATION = ".,!?;:\"'"

OLD_MS = 1500
"""A word that ended this long ago is committed with fewer votes: the search hardly ever returns to it."""


class StablePrefix:
    """The committed words of one utterance, and those that may still change.

    A word needs `agreeing` hypotheses and must have ended `settled_ms` ago. Case and punctuation do not count.
    """

    def __init__(self, agreeing: int = AGREEING, settled_ms: int = SETTLED_MS) -> None:
        self._agreeing, self._settled_ms = agreeing, settled_ms
        self.words: list[Word] = []
        self._committed_until_ms = -1
        self._votes: list[tuple[str, int]] = []
        self._tentative: list[str] = []

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def tentative(self) -> str:
        """The words of the last hypothesis that are not committed."""
        return " ".join(self._tentative)

    def offer(self, hypothesis: Sequence[Word], now_ms: int) -> bool:
        """Weigh a whole hypothesis, heard up to `now_ms`. True when the text grew or the tentative words changed."""
        candidates = self._after_committed(hypothesis)
        votes: list[tuple[str, int]] = []
        agreeing = True
        for place, word in enumerate(candidates):
            before = self._votes[place] if agreeing and place < len(self._votes) else ("", 0)
            plain = word.text.lower().strip(_PUNCTUATION)
            agreeing = before[0] == plain
            votes.append((plain, before[1] + 1 if agreeing else 1))
        self._votes = votes
        settled = 0
        for (_, count), word in zip(votes, candidates, strict=True):
            age_ms = now_ms - word.end_ms
            if not (count >= self._agreeing and age_ms >= self._settled_ms) and not (count > 1 and age_ms >= OLD_MS):
                break
            settled += 1
        self._commit(candidates[:settled])
        before, self._tentative = self._tentative, [word.text for word in candidates[settled:]]
        return settled > 0 or self._tentative != before

    def close(self, words: Sequence[Word]) -> bool:
        """A part of the utterance is decided: commit what is left of it. True when `text` or `tentative` changed."""
        rest = self._after_committed(words)
        self._commit(rest)
        withdrawn, self._tentative = bool(self._tentative), []
        return bool(rest) or withdrawn

    def _commit(self, words: Sequence[Word]) -> None:
        if words:
            self.words += words
            self._committed_until_ms = max(self._committed_until_ms, words[-1].end_ms)
            self._votes = self._votes[len(words) :]

    def _after_committed(self, words: Sequence[Word]) -> list[Word]:
        """The words whose middle lies behind what is committed; an earlier part may have been rewritten since."""
        return [word for word in words if (word.start_ms + word.end_ms) / 2 > self._committed_until_ms]
