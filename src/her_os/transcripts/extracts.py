"""The extractive summary: what the caller asked and what the tools did, in words that were really said.

Nothing is invented: each point is a line of the call log or a segment of the transcript, with its time.
"""

from __future__ import annotations

from collections.abc import Iterator

from her_os.contracts.transcripts import CallFacts, CallTurn, Segment, Summary, SummaryPoint, SummaryTask, Transcript

NOTICE_CALL = "Extracts, not a summary in new words: what the caller asked and what was done, from the call log."
NOTICE_FILE = "Extracts, not a summary in new words: the opening and the longest passages."
_MOST_POINTS = 12
_TASK_TOOLS = {"set_timer", "add_note", "set_reminder", "add_task"}


def extract_summary(transcript: Transcript, call: CallFacts) -> Summary:
    """A Summary of kind `extractive`."""
    if call.turns:
        return _of_call(transcript, call)
    return Summary(kind="extractive", points=tuple(_of_file(transcript.segments)), notice=NOTICE_FILE)


def _of_call(transcript: Transcript, call: CallFacts) -> Summary:
    points: list[SummaryPoint] = []
    tasks: list[SummaryTask] = []
    heard_until = 0
    for turn in call.turns:
        at_ms = _asked_at(transcript.segments, heard_until, turn)
        heard_until = turn.at_ms
        if turn.caller_text:
            points.append(SummaryPoint(at_ms=at_ms, text=f"Asked: {turn.caller_text}", speaker="caller"))
        if turn.tools and turn.reply_text:
            text = f"Done ({', '.join(turn.tools)}): {turn.reply_text}"
            points.append(SummaryPoint(at_ms=turn.at_ms, text=text, speaker="assistant"))
        if _TASK_TOOLS.intersection(turn.tools):
            tasks.append(SummaryTask(at_ms=at_ms, what=turn.reply_text or turn.caller_text, who=call.assistant_name))
    return Summary(kind="extractive", points=tuple(points), tasks=tuple(tasks), notice=NOTICE_CALL)


def _asked_at(segments: tuple[Segment, ...], after_ms: int, turn: CallTurn) -> int:
    """When the caller began this turn: the recording's own time where it heard them, else the call log's."""
    spoken = (s.start_ms for s in segments if s.speaker == "caller" and after_ms <= s.start_ms <= turn.at_ms)
    return next(spoken, turn.at_ms)


def _of_file(segments: tuple[Segment, ...]) -> Iterator[SummaryPoint]:
    """The opening, and the segments with most words, in the order of time."""
    longest = sorted(segments[1:], key=lambda segment: -len(segment.text.split()))[: _MOST_POINTS - 1]
    for segment in sorted([*segments[:1], *longest], key=lambda segment: segment.start_ms):
        yield SummaryPoint(at_ms=segment.start_ms, text=segment.text, speaker=segment.speaker)
