from __future__ import annotations

from her_os.clients.stt_timeline import SessionTimeline
from her_os.contracts.speech_to_text import Final, Partial, Word


def test_times_are_the_calls_even_across_gaps():
    timeline = SessionTimeline()
    timeline.sending(16_000, 1600)
    timeline.sending(17_600, 1600)
    timeline.sending(80_000, 1600)
    assert timeline.sent == 4800
    assert timeline.call_ms(0) == 1000
    assert timeline.call_ms(150) == 1150
    assert timeline.call_ms(200) == 5000
    assert timeline.call_ms(200, end=True) == 1200
    assert timeline.call_ms(300, end=True) == 5100


def test_results_are_moved_as_a_whole():
    timeline = SessionTimeline()
    timeline.sending(32_000, 16_000)
    partial = timeline.in_call_time(Partial(0, 100, "hello", 500), 7)
    assert partial == Partial(7, 2100, "hello", 2500)
    final = timeline.in_call_time(Final(0, 100, "hello", 500, (Word("hello", 150, 400, 0.5),)), 7)
    assert final == Final(7, 2100, "hello", 2500, (Word("hello", 2150, 2400, 0.5),))


def test_nothing_sent_yet():
    assert SessionTimeline().call_ms(0) == 0
