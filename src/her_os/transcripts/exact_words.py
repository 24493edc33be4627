"""What the assistant said, in the call log's own words: recognition of its voice only tells when.

A reply is laid over the segments that were recognised between the caller's words it answers and the end of its turn.
Words that both have keep the recognised times; those between are spread evenly. What the log does not know (greeting,
timers, "one moment") stays as it was recognised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from her_os.contracts.speech_to_text import Word
from her_os.contracts.transcripts import CallTurn, Segment

CALLER, ASSISTANT = "caller", "assistant"
_LATE_MS = 500
"""A turn is noted a little before or after its last sample is recorded."""
_PAUSE_MS = 700
_WORD_MS = 350


def with_exact_words(segments: Sequence[Segment], turns: Sequence[CallTurn]) -> tuple[list[Segment], bool]:
    """Segments in which the replies of `turns` stand as they were said, and whether there are any."""
    kept, exact, before_ms = list(segments), list[Segment](), 0
    for turn in turns:
        asked = [s.start_ms for s in segments if s.speaker == CALLER and before_ms <= s.start_ms <= turn.at_ms]
        begin = min(asked, default=before_ms)
        before_ms = turn.at_ms
        words = turn.reply_text.split()
        if not words:
            continue
        window = [s for s in kept if s.speaker == ASSISTANT and begin <= s.start_ms <= turn.at_ms + _LATE_MS]
        if not window:
            exact += _untimed(words, turn, begin, kept)
            continue
        covered = _covered(words, window)
        kept = [segment for segment in kept if not any(segment is other for other in covered)]
        exact += _laid_over(words, covered)
    return [*kept, *exact], bool(exact)


def _untimed(words: Sequence[str], turn: CallTurn, begin: int, kept: Sequence[Segment]) -> list[Segment]:
    """A reply in which nothing was recognised: before the end of its turn, unless somebody is heard there."""
    start = max(begin, turn.at_ms - _WORD_MS * len(words))
    heard = any(s.speaker == ASSISTANT and s.start_ms < turn.at_ms + 3000 and s.end_ms > start for s in kept)
    end = max(turn.at_ms, start + 1)
    return [] if heard else [Segment(speaker=ASSISTANT, start_ms=start, end_ms=end, text=" ".join(words))]


def _covered(words: Sequence[str], window: Sequence[Segment]) -> list[Segment]:
    """The segments that are this reply: from the first that has a word of it on. All, where none has."""
    wanted = {_plain(word) for word in words}
    first = next((i for i, s in enumerate(window) if wanted.intersection(map(_plain, s.text.split()))), 0)
    return list(window[first:])


def _laid_over(words: Sequence[str], covered: Sequence[Segment]) -> list[Segment]:
    heard = [word for segment in covered for word in segment.words]
    matcher = SequenceMatcher(None, [_plain(word) for word in words], [_plain(w.text) for w in heard], autojunk=False)
    times: dict[int, tuple[int, int]] = {}
    until_ms = 0
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            found = heard[block.b + offset]
            if found.start_ms >= until_ms:  # a recogniser may think that it heard two words at once
                times[block.a + offset] = (found.start_ms, found.end_ms)
                until_ms = found.end_ms
    timed = _timed(words, times, covered[0].start_ms, max(segment.end_ms for segment in covered))
    return _cut_at_pauses(timed)


def _timed(words: Sequence[str], times: dict[int, tuple[int, int]], start_ms: int, end_ms: int) -> list[Word]:
    """Words in order, those without times spread between their neighbours."""
    timed: list[Word] = []
    number = 0
    while number < len(words):
        if number in times:
            timed.append(Word(words[number], *times[number]))
            number += 1
            continue
        last = next((later for later in range(number, len(words)) if later in times), len(words))
        begin = timed[-1].end_ms if timed else start_ms
        end = max(begin, times[last][0] if last < len(words) else end_ms)
        share = (end - begin) / (last - number)
        timed += [
            Word(words[n], round(begin + (n - number) * share), round(begin + (n - number + 1) * share))
            for n in range(number, last)
        ]
        number = last
    return timed


def _cut_at_pauses(words: Sequence[Word]) -> list[Segment]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and word.start_ms - groups[-1][-1].end_ms < _PAUSE_MS:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        Segment(
            speaker=ASSISTANT,
            start_ms=group[0].start_ms,
            end_ms=max(group[-1].end_ms, group[0].start_ms + 1),
            text=" ".join(word.text for word in group),
            words=tuple(group),
        )
        for group in groups
    ]


def _plain(word: str) -> str:
    return re.sub(r"[^\w']", "", word.lower())
