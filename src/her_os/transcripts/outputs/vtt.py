"""WebVTT subtitles (W3C): the speaker is a voice tag, so that a player can show or style each."""

from __future__ import annotations

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs.words import cues, names, timestamp

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(transcript: Transcript, summary: Summary) -> str:
    """The transcript as WebVTT."""
    del summary
    called = names(transcript)
    blocks = [
        f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}\n"
        f"<v {escape(called.get(cue.speaker, cue.speaker))}>{escape(cue.text)}</v>\n"
        for cue in cues(transcript)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def escape(text: str) -> str:
    """Entities for what would be a tag or an arrow."""
    return text.translate(_ENTITIES)
