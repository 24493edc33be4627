"""Plain text: one line a segment, for reading, searching and quoting."""

from __future__ import annotations

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs.words import clock, names, one_line


def render(transcript: Transcript, summary: Summary) -> str:
    """`[1:05] Alice: what was said`."""
    del summary
    called = names(transcript)
    return "".join(
        f"[{clock(segment.start_ms)}] {called.get(segment.speaker, segment.speaker)}: {text}\n"
        for segment in transcript.segments
        if (text := one_line(segment.text))
    )
