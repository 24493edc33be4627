"""What counts as a stable live call, and when three of them are enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from her_os.contracts.call_journal import CancelTrace, LegTiming
from her_os.contracts.errors import HerOsError
from her_os.household.live_validation import LiveCall, add_live_call, examine, judge, read_live_calls

HOUR = 3600.0
TRACE = CancelTrace(2, "the caller spoke", 1600, 210.0, (LegTiming("tts", 3.0, ok=True),))


def call(**changes: Any) -> dict[str, Any]:
    """A call of the call log that went well."""
    turns = [
        {"turn": 1, "caller_text": "", "outcome": "answered", "error": "", "cancel": None},
        {"turn": 2, "caller_text": "tell me a story", "outcome": "interrupted", "error": "", "cancel": encoded(TRACE)},
        {"turn": 3, "caller_text": "what time is it", "outcome": "answered", "error": "", "cancel": None},
    ]
    whole = {"id": "a1b2c3d4e5f6", "started_at": 1000.0, "ended_at": 1060.0, "mode": "full duplex", "turns": turns}
    return {**whole, "outcome": "the far end hung up", **changes}


def encoded(trace: CancelTrace) -> str:
    return msgspec.json.encode(trace).decode()


def live(ended_h: float, *, interrupted: bool = False, complaints: tuple[str, ...] = ()) -> LiveCall:
    traces = (TRACE,) if interrupted else ()
    return LiveCall(f"{ended_h:.0f}", ended_h * HOUR - 60, ended_h * HOUR, complaints, traces, 64_000)


def test_a_call_that_went_well_has_no_complaints_and_its_interruption():
    examined = examine(call(), 64_000, ())
    assert examined.complaints == ()
    assert examined.interruptions == (TRACE,)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"mode": "half duplex"}, "ENABLE_BARGE_IN=1"),
        ({"outcome": "crashed"}, "the daemon ended"),
        ({"ended_at": 1010.0}, "took only 10 s"),
        ({"turns": call()["turns"][:2]}, "nothing that the caller said was answered"),
        ({"turns": [*call()["turns"], call()["turns"][2] | {"turn": 4, "outcome": "failed", "error": "away"}]}, "away"),
        (
            {"turns": [*call()["turns"], call()["turns"][2] | {"cancel": encoded(
                CancelTrace(4, "", 0, 1000.0, (LegTiming("llm", 1000.0, ok=False, detail="over budget"),))
            )}]},
            "leg llm: over budget",
        ),
    ],
)  # fmt: skip
def test_what_makes_a_call_prove_nothing_is_named(changes: dict[str, Any], complaint: str):
    complaints = examine(call(**changes), 64_000, ()).complaints
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_a_mute_voice_after_the_call_counts_against_it():
    assert examine(call(), 0, ["silent: -96 dBFS"]).complaints == ("the voice after it: silent: -96 dBFS",)


def test_three_stable_calls_in_a_day_with_one_interruption_are_enough():
    verdict = judge([live(0), live(10, interrupted=True), live(23)])
    assert (verdict.validated, verdict.stable, verdict.interruptions) == (True, 3, 1)


@pytest.mark.parametrize(
    ("calls", "missing"),
    [
        ([], ["3 more stable call", "interrupt"]),
        ([live(0), live(10), live(23)], ["interrupt"]),
        ([live(0, interrupted=True), live(10), live(25)], ["1 more stable call"]),
        ([live(0, interrupted=True), live(1), live(2, complaints=("mute",))], ["1 more stable call"]),
    ],
)
def test_what_is_still_missing_is_said(calls: list[LiveCall], missing: list[str]):
    verdict = judge(calls)
    assert not verdict.validated
    assert len(verdict.missing) == len(missing)
    assert all(words in said for words, said in zip(missing, verdict.missing, strict=True))


def test_a_good_day_is_found_among_worse_ones():
    days = [live(0), live(1), live(2), live(100), live(101, interrupted=True), live(102), live(300, interrupted=True)]
    assert judge(days).validated


def test_the_record_is_read_back_and_a_broken_line_named(tmp_path: Path):
    path = tmp_path / "state" / "live-validation.jsonl"
    assert read_live_calls(path) == []
    add_live_call(path, live(1, interrupted=True))
    add_live_call(path, live(2))
    assert read_live_calls(path) == [live(1, interrupted=True), live(2)]
    path.write_text(path.read_text() + '{"call_id": "a1')
    with pytest.raises(HerOsError, match="line 3"):
        read_live_calls(path)
