"""Transcripts for tests: a plain one, and any that could be made."""

from __future__ import annotations

from hypothesis import strategies as st

from her_os.contracts.speech_to_text import Word
from her_os.contracts.transcripts import Segment, Speaker, Summary, SummaryPoint, SummaryTask, Transcript

SPEAKERS = (
    Speaker(id="caller", name="Alice", evidence="channel", channel=0),
    Speaker(id="assistant", name="her", evidence="channel", channel=1),
)


def segment(speaker: str, start_ms: int, text: str, *, each_ms: int = 400) -> Segment:
    words = tuple(
        Word(word, start_ms + i * each_ms, start_ms + (i + 1) * each_ms) for i, word in enumerate(text.split())
    )
    return Segment(speaker=speaker, start_ms=start_ms, end_ms=start_ms + each_ms * len(words), text=text, words=words)


def transcript(*segments: Segment, source: str = "/recordings/a call.wav", call_id: str = "call-1") -> Transcript:
    return Transcript(
        source=source,
        recorded_at=1_700_000_000.0,
        duration_ms=60_000,
        language="en",
        engine="scripted",
        speakers=SPEAKERS,
        segments=segments,
        call_id=call_id,
    )


PLAIN = transcript(
    segment("caller", 1000, "Please call the dentist tomorrow"),
    segment("assistant", 4200, "The dentist opens at nine"),
)
SUMMARY = Summary(
    kind="extractive",
    points=(SummaryPoint(at_ms=1000, text="Asked about the dentist", speaker="caller"),),
    tasks=(SummaryTask(at_ms=1000, what="call the dentist", who="Alice", when="tomorrow"),),
    notice="Sentences as they were said.",
)

AWKWARD = [
    "00:00:01,000 --> 00:00:02,000",
    "a --> b <b>bold</b> & {\\an8} &amp;",
    "line one\n\n2\n00:00:01,000 --> 00:00:09,000\nline two",
    "# *not* a [heading](javascript:x) `code` | ~~no~~",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "emoji \U0001f9d1\u200d\U0001f680 \u2028 and \x85 breaks \x00 \x1b[31m",
    "WEBVTT",
    "NOTE 7",
    "1",
]
texts = st.sampled_from(AWKWARD) | st.text(max_size=60)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    times = st.integers(min_value=0, max_value=20 * 3_600_000)
    segments = [
        segment(draw(st.sampled_from(["caller", "assistant", "<x>"])), draw(times), draw(texts))
        for _ in range(draw(st.integers(0, 5)))
    ]
    return transcript(*sorted(segments, key=lambda each: each.start_ms))
