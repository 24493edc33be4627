"""What several formats need: clean lines, speakers' names, times, and cues short enough to read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from her_os.contracts.speech_to_text import Word
from her_os.contracts.transcripts import Segment, Transcript

MAX_CUE_MS, MAX_CUE_CHARS = 6_000, 84
"""Two lines of 42 characters for six seconds: what subtitle guides call readable."""

_SPACE = re.compile(r"\s+")


def one_line(text: str) -> str:
    """`text` on one line: no line break of any script, no control character, no lone surrogate.

    Marks that turn the reading direction are kept, and what they opened is closed, so that they end with the text.
    """
    shown = "".join(char for char in text if char.isspace() or unicodedata.category(char) not in {"Cc", "Cs"})
    text = _SPACE.sub(" ", shown).strip()
    isolates = sum(char in "\u2066\u2067\u2068" for char in text) - text.count("\u2069")
    embeddings = sum(char in "\u202a\u202b\u202d\u202e" for char in text) - text.count("\u202c")
    return text + "\u2069" * max(0, isolates) + "\u202c" * max(0, embeddings)


def names(transcript: Transcript) -> dict[str, str]:
    """Speakers' names by id; the id where there is no name."""
    return {speaker.id: one_line(speaker.name) or speaker.id for speaker in transcript.speakers}


def clock(milliseconds: int) -> str:
    """A time for people: 1:05, 1:02:03."""
    seconds = max(0, milliseconds) // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def timestamp(milliseconds: int, point: str) -> str:
    """A time for subtitle players: 00:00:01.500; `point` is what stands before the milliseconds."""
    milliseconds = max(0, milliseconds)
    seconds = milliseconds // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{milliseconds % 1000:03}"


def cues(transcript: Transcript) -> Iterator[Segment]:
    """Segments as they are shown: none empty, none without length, and a long one cut between its words."""
    for segment in sorted(transcript.segments, key=lambda each: (each.start_ms, each.end_ms)):
        for piece in _pieces(segment):
            if text := one_line(piece.text):
                start = max(0, piece.start_ms)
                yield Segment(speaker=piece.speaker, start_ms=start, end_ms=max(piece.end_ms, start + 1), text=text)


def _pieces(segment: Segment) -> Iterator[Segment]:
    written, words = segment.text.split(), segment.words
    if len(written) != len(words):  # the words are not those that are written: nowhere to cut
        yield segment
        return
    begin = 0
    for i in range(len(words) + 1):
        if i > begin and (i == len(words) or _is_full(words[begin : i + 1], written[begin : i + 1])):
            yield Segment(
                speaker=segment.speaker,
                start_ms=words[begin].start_ms,
                end_ms=words[i - 1].end_ms,
                text=" ".join(written[begin:i]),
            )
            begin = i


def _is_full(words: tuple[Word, ...], written: list[str]) -> bool:
    return words[-1].end_ms - words[0].start_ms > MAX_CUE_MS or len(" ".join(written)) > MAX_CUE_CHARS
