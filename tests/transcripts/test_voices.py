"""Words go to the voice that was heard when they were said."""

from __future__ import annotations

from her_os.contracts.transcripts import VoiceSpan
from her_os.transcripts.voices import tell_apart
from tests.transcripts.test_exact_words import heard


def span(start_ms: int, end_ms: int, voice: int) -> VoiceSpan:
    return VoiceSpan(start_ms=start_ms, end_ms=end_ms, voice=voice)


def test_a_segment_is_cut_where_the_voice_changes() -> None:
    segments = [heard("speaker", 0, "how are you fine thank you"), heard("speaker", 3000, "good")]
    cut, speakers = tell_apart(segments, [span(0, 950, 7), span(850, 1900, 2), span(2900, 3400, 7)])
    assert [(s.speaker, s.start_ms, s.end_ms, s.text) for s in cut] == [
        ("speaker-1", 0, 900, "how are you"),
        ("speaker-2", 900, 1800, "fine thank you"),
        ("speaker-1", 3000, 3300, "good"),
    ]
    assert [(s.id, s.name, s.evidence) for s in speakers] == [
        ("speaker-1", "speaker 1", "diarised"),
        ("speaker-2", "speaker 2", "diarised"),
    ]


def test_words_between_spans_stay_with_the_voice_before_and_nothing_is_lost() -> None:
    segments = [heard("speaker", 0, "a b c d")]
    cut, speakers = tell_apart(segments, [span(300, 600, 1), span(1100, 1200, 3)])
    assert [(s.speaker, s.text) for s in cut] == [("speaker-1", "a b c"), ("speaker-2", "d")]
    assert len(speakers) == 2
    alone, speakers = tell_apart(segments, [])
    assert [(s.speaker, s.text) for s in alone] == [("speaker-1", "a b c d")]
    assert len(speakers) == 1
    assert tell_apart([], []) == ([], [])
