"""Lays what a diarisation engine found over what was recognised: each word goes to the voice that was heard then."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from her_os.contracts.speech_to_text import Word
from her_os.contracts.transcripts import Segment, Speaker, VoiceSpan


def tell_apart(segments: Sequence[Segment], spans: Sequence[VoiceSpan]) -> tuple[list[Segment], list[Speaker]]:
    """Segments cut where the voice changes, and their speakers in the order in which they are first heard.

    A word that no span touches stays with the voice before it; without any span all is one speaker's.
    """
    cut = [piece for segment in segments for piece in _cut(segment, spans)]
    order = list(dict.fromkeys(voice for voice, _ in cut))
    ids = {voice: f"speaker-{number}" for number, voice in enumerate(order, 1)}
    speakers = [
        Speaker(id=ids[voice], name=f"speaker {number}", evidence="diarised") for number, voice in enumerate(order, 1)
    ]
    return [msgspec.structs.replace(piece, speaker=ids[voice]) for voice, piece in cut], speakers


def _cut(segment: Segment, spans: Sequence[VoiceSpan]) -> list[tuple[int, Segment]]:
    if not segment.words or len(segment.words) != len(segment.text.split()):
        voice = _voice_of(segment.start_ms, segment.end_ms, spans)
        return [(0 if voice is None else voice, segment)]
    groups: list[tuple[int, list[Word]]] = []
    found = [_voice_of(word.start_ms, word.end_ms, spans) for word in segment.words]
    last = next((voice for voice in found if voice is not None), 0)
    for word, voice in zip(segment.words, found, strict=True):
        last = last if voice is None else voice
        if groups and groups[-1][0] == last:
            groups[-1][1].append(word)
        else:
            groups.append((last, [word]))
    written = segment.text.split()
    pieces: list[tuple[int, Segment]] = []
    for voice, words in groups:
        text, written = " ".join(written[: len(words)]), written[len(words) :]
        times = {"start_ms": words[0].start_ms, "end_ms": words[-1].end_ms}
        pieces.append((voice, msgspec.structs.replace(segment, text=text, words=tuple(words), **times)))
    return pieces


def _voice_of(start_ms: int, end_ms: int, spans: Sequence[VoiceSpan]) -> int | None:
    """The voice that is heard for most of the time; None where none is."""
    heard: dict[int, int] = {}
    for span in spans:
        overlap = min(end_ms, span.end_ms) - max(start_ms, span.start_ms)
        if overlap > 0:
            heard[span.voice] = heard.get(span.voice, 0) + overlap
    return max(heard, key=lambda voice: heard[voice]) if heard else None
