"""SubRip subtitles: numbered cues, a comma before the milliseconds, the speaker before the words.

The format has no escapes. An arrow could be taken for a times line and angle or curly brackets for styles, so these
are written as characters that look the same and mean nothing.
"""

from __future__ import annotations

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs.words import cues, names, timestamp

_HARMLESS = str.maketrans({"<": "\u2039", ">": "\u203a", "{": "(", "}": ")", "&": "\uff06"})


def render(transcript: Transcript, summary: Summary) -> str:
    """The transcript as SRT; a transcript in which nobody speaks is an empty file."""
    del summary
    called = names(transcript)
    blocks = (
        f"{number}\n{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}\n"
        f"{escape(called.get(cue.speaker, cue.speaker))}: {escape(cue.text)}\n"
        for number, cue in enumerate(cues(transcript), 1)
    )
    return "\n".join(blocks)


def escape(text: str) -> str:
    """Text that no player takes for markup or times."""
    return text.replace("-->", "\u2192").translate(_HARMLESS)
