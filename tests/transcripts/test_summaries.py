"""Extracts invent nothing; a model's notes are kept only where the transcript bears them out; calls come first."""

from __future__ import annotations

import asyncio
import re

import pytest

from her_os.contracts.errors import LanguageModelError
from her_os.contracts.transcripts import CallFacts, CallTurn, Segment, Speaker, Transcript
from her_os.transcripts.digest import digest
from her_os.transcripts.extracts import NOTICE_CALL, NOTICE_FILE, extract_summary
from her_os.transcripts.yielding import while_quiet


def transcript_of(*said: tuple[str, int, str]) -> Transcript:
    speakers = (
        Speaker(id="caller", name="Priya", evidence="channel", channel=0),
        Speaker(id="assistant", name="her", evidence="channel", channel=1),
    )
    segments = tuple(Segment(speaker=who, start_ms=at, end_ms=at + 900, text=text) for who, at, text in said)
    return Transcript(
        source="/a.wav", recorded_at=0, duration_ms=60_000, language="en", engine="e", speakers=speakers,
        segments=segments,
    )  # fmt: skip


CALL = transcript_of(
    ("assistant", 500, "hello"), ("caller", 2000, "set a timer"), ("assistant", 4000, "ten minutes"),
    ("caller", 61_000, "tom calls the dentist on friday"),
)  # fmt: skip
FACTS = CallFacts(
    call_id="c",
    assistant_name="her",
    turns=(
        CallTurn(at_ms=5000, caller_text="set a timer", reply_text="Ten minutes.", tools=("set_timer",)),
        CallTurn(at_ms=70_000, caller_text="thank you", reply_text="Goodbye."),
    ),
)


def test_extracts_of_a_call_are_what_was_asked_and_done() -> None:
    summary = extract_summary(CALL, FACTS)
    assert summary.kind == "extractive"
    assert [(point.at_ms, point.text) for point in summary.points] == [
        (2000, "Asked: set a timer"),
        (5000, "Done (set_timer): Ten minutes."),
        (61_000, "Asked: thank you"),
    ]
    assert [(task.what, task.who) for task in summary.tasks] == [("Ten minutes.", "her")]
    assert summary.notice == NOTICE_CALL


def test_extracts_of_a_file_are_its_own_words() -> None:
    summary = extract_summary(CALL, CallFacts())
    assert {point.text for point in summary.points} <= {segment.text for segment in CALL.segments}
    assert [point.at_ms for point in summary.points] == sorted(point.at_ms for point in summary.points)
    assert summary.notice == NOTICE_FILE


async def test_notes_of_a_model_are_checked() -> None:
    async def complete(_system: str, user: str) -> str:
        assert "[01:01] Priya: tom calls the dentist on friday" in user
        return (
            "Sure! Here are the notes:\nPOINT [00:02] A timer was set.\n- POINT [09:59] Made up.\n"
            "DECISION [00:04] Ten minutes.\nTASK [01:01] Call the dentist | Tom | friday\n"
            "TASK [01:01] Buy milk | Zaphod | in 1999\nnonsense"
        )

    summary = await digest(CALL, complete, 4000, lambda *_: None)
    assert summary.kind == "generated"
    assert [(point.at_ms, point.text, point.speaker) for point in summary.points] == [
        (2000, "A timer was set.", "caller")
    ]
    assert [point.text for point in summary.decisions] == ["Ten minutes."]
    assert [(task.what, task.who, task.when) for task in summary.tasks] == [
        ("Call the dentist", "Tom", "friday"),
        ("Buy milk", "", ""),
    ]


async def test_any_length_fits_the_context_and_points_are_reduced() -> None:
    long = transcript_of(*(("caller", at * 2000, f"fact number {at} is here") for at in range(400)))
    sizes: list[int] = []

    async def complete(system: str, user: str) -> str:
        sizes.append(len(user))
        if "Choose" in system:
            count = re.search(r"the (\d+) most", system)
            assert count is not None
            return "\n".join(user.splitlines()[: int(count[1])])
        return "\n".join(re.sub(r"^(\[\S+\]) Priya: ", r"POINT \1 ", line) for line in user.splitlines())

    told: list[tuple[int, int]] = []
    summary = await digest(long, complete, 2000, lambda *progress: told.append(progress))
    assert max(sizes) <= 2000
    assert 0 < len(summary.points) <= 15
    assert {point.text for point in summary.points} <= {segment.text for segment in long.segments}
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] - 1


async def test_a_model_that_only_babbles_is_an_error() -> None:
    async def complete(_system: str, _user: str) -> str:
        return "I like trains."

    with pytest.raises(LanguageModelError, match="fit for summaries"):
        await digest(CALL, complete, 4000, lambda *_: None)


async def test_work_steps_back_for_a_call_and_is_done_after_it() -> None:
    calls, begun, dropped, waited = [0], 0, 0, 0

    async def work() -> str:
        nonlocal begun, dropped
        begun += 1
        if begun > 1:
            return "done"
        calls[0] = 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            dropped += 1
            raise
        return "never"

    def waiting() -> None:
        nonlocal waited
        waited += 1
        if waited == 3:
            calls[0] = 0

    async def in_progress() -> int:
        return calls[0]

    assert await while_quiet(work, in_progress, poll_s=0, waiting=waiting) == "done"
    assert (begun, dropped, waited) == (2, 1, 3)
