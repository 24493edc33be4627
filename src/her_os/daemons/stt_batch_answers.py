"""A transcription in the formats of OpenAI's API: `json`, `text`, `verbose_json`, `srt`, `vtt`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from her_os.contracts.speech_to_text import Final
from her_os.contracts.transcripts import Segment, Transcript
from her_os.transcripts.outputs import srt, vtt
from her_os.transcripts.outputs.words import cues, timestamp


@dataclass(frozen=True)
class Heard:
    """What was heard in one file. Times in milliseconds of it."""

    finals: tuple[Final, ...]
    language: str
    duration_ms: int
    granularities: frozenset[str]

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals if final.text)


def _json(heard: Heard) -> bytes:
    return msgspec.json.encode({"text": heard.text})


def _text(heard: Heard) -> bytes:
    return f"{heard.text}\n".encode()


def _verbose_json(heard: Heard) -> bytes:
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": heard.language,
        "duration": heard.duration_ms / 1000,
        "text": heard.text,
    }
    if "segment" in heard.granularities:
        answer["segments"] = [
            {"id": number, "start": begin / 1000, "end": end / 1000, "text": final.text}
            for number, final in enumerate(heard.finals)
            for begin, end in [_span(final)]
        ]
    if "word" in heard.granularities:
        answer["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for final in heard.finals
            for word in final.words
        ]
    return msgspec.json.encode(answer)


def _srt(heard: Heard) -> bytes:
    blocks = (
        f"{number}\n{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}\n{srt.escape(cue.text)}\n"
        for number, cue in enumerate(_cues(heard), 1)
    )
    return "\n".join(blocks).encode()


def _vtt(heard: Heard) -> bytes:
    blocks = (
        f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}\n{vtt.escape(cue.text)}\n"
        for cue in _cues(heard)
    )
    return "\n".join(["WEBVTT\n", *blocks]).encode()


FORMATS: dict[str, tuple[str, Callable[[Heard], bytes]]] = {
    "json": ("application/json", _json),
    "text": ("text/plain", _text),
    "verbose_json": ("application/json", _verbose_json),
    "srt": ("application/x-subrip", _srt),
    "vtt": ("text/vtt", _vtt),
}
"""Content type and renderer by the name that a request uses."""


def _span(final: Final) -> tuple[int, int]:
    words = final.words
    return (words[0].start_ms, words[-1].end_ms) if words else (final.start_ms, final.audio_ms)


def _cues(heard: Heard) -> list[Segment]:
    """Pieces short enough to read, of one nameless speaker."""
    segments = tuple(
        Segment(speaker="", start_ms=begin, end_ms=end, text=final.text, words=final.words)
        for final in heard.finals
        for begin, end in [_span(final)]
    )
    whole = Transcript(
        source="", recorded_at=0, duration_ms=heard.duration_ms, language=heard.language, engine="", speakers=(),
        segments=segments,
    )  # fmt: skip
    return list(cues(whole))
