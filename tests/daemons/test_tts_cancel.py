"""A cancel reaches the thread: what `/cancel` promises, for every state a session can be in."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from her_os.contracts.text_to_speech import CancelReport
from tests.daemons.tts_daemon import RunningVoice, running_voice
from tests.fakes.scripted_voice import CHUNK, STUBBORN_STEPS, ScriptedVoice, UncancellableVoice
from tests.waiting import until


async def read_all(voice: RunningVoice, session_id: str, text: str) -> tuple[int, bytes]:
    """Status and audio; status 0 when the stream broke off."""
    async with voice.synthesize(session_id, text) as response:
        try:
            return response.status, await response.read()
        except aiohttp.ClientPayloadError:
            return 0, b""


async def broken_off(response: aiohttp.ClientResponse) -> None:
    """The stream ends without its final chunk, which a cancel brings about as soon as it arrives."""
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_cancelling_the_task_alone_leaves_the_thread_running() -> None:
    """The negative control: why `/cancel` exists at all."""
    engine = ScriptedVoice()
    event, loop = threading.Event(), asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as executor:

        async def speak() -> None:
            await loop.run_in_executor(executor, engine.synthesize, "endless", "", event, lambda _pcm: None)

        task = asyncio.create_task(speak())
        await until(engine.inside.is_set)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        before = engine.steps_taken
        engine.allow(5)
        await until(lambda: engine.steps_taken == before + 5)
        assert engine.inside.is_set()
        event.set()


async def test_a_running_session_is_answered_when_the_thread_has_left() -> None:
    engine = ScriptedVoice()
    engine.allow(3)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless") as response:
        assert await response.content.readexactly(3 * len(CHUNK)) == 3 * CHUNK
        report = await voice.cancel("call.1")
        assert not engine.inside.is_set()
        steps = engine.steps_taken
        engine.allow_all()
        assert report == {
            "cancelled": 1,
            "stopped_after_ms": report["stopped_after_ms"],
            "steps_after_cancel": 0,
            "state": "running",
            "uninterruptible_stage": "",
        }
        assert isinstance(report["stopped_after_ms"], float)
        assert report["stopped_after_ms"] > 0
        await broken_off(response)
        assert (await read_all(voice, "other.1", "Hello."))[0] == 200
        assert engine.steps_taken == steps + 4
        assert voice.metric("her_os_tts_cancels_total", state="running") == 1
        assert voice.metric("her_os_tts_stop_seconds_count") == 1


async def test_the_answer_waits_for_an_engine_that_is_slow_to_stop_and_counts_its_steps() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless stubborn") as response:
        await response.content.readexactly(len(CHUNK))
        answer = asyncio.create_task(voice.cancel("call.1"))
        await broken_off(response)
        engine.allow(STUBBORN_STEPS - 1)
        await until(lambda: engine.steps_taken == STUBBORN_STEPS)  # one before the cancel
        await voice.cancel("unknown.1")
        assert not answer.done()
        assert engine.inside.is_set()
        engine.allow(1)
        report = await answer
        assert not engine.inside.is_set()
        assert report["steps_after_cancel"] == STUBBORN_STEPS
        assert voice.metric("her_os_tts_steps_after_cancel_total") == STUBBORN_STEPS


async def test_a_cancel_does_not_lie_about_an_engine_that_ignores_it() -> None:
    engine = UncancellableVoice(steps=6)
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "Six steps.") as response:
        await response.content.readexactly(len(CHUNK))
        answer = asyncio.create_task(voice.cancel("call.1"))
        await broken_off(response)
        engine.allow(4)
        await until(lambda: engine.steps_taken == 5)
        await voice.cancel("unknown.1")
        assert not answer.done()
        engine.allow(1)
        assert (await answer)["state"] == "running"
        assert engine.steps_taken == 6


async def test_two_cancels_of_one_session_both_wait_and_count_it_once() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless stubborn") as response:
        await response.content.readexactly(len(CHUNK))
        answers = [asyncio.create_task(voice.cancel("call.1")) for _ in range(2)]
        await broken_off(response)
        await voice.cancel("unknown.1")
        engine.allow(STUBBORN_STEPS)
        reports = await asyncio.gather(*answers)
        assert sorted(int(str(report["cancelled"])) for report in reports) == [0, 1]


async def test_a_queued_session_is_answered_at_once_and_never_spoken() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless") as first:
        await first.content.readexactly(len(CHUNK))
        waiting = asyncio.create_task(read_all(voice, "other.1", "Never."))
        await until(lambda: voice.metric("her_os_tts_queue_depth") == 2)
        report = await voice.cancel("other.1")
        assert (report["cancelled"], report["state"], report["stopped_after_ms"]) == (1, "queued", 0.0)
        assert (await waiting)[0] == 410
        assert engine.inside.is_set()
        await voice.cancel("call.1")
    assert engine.pieces == ["endless"]


async def test_all_requests_of_a_session_end_and_no_other_session() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless") as first:
        await first.content.readexactly(len(CHUNK))
        own = asyncio.create_task(read_all(voice, "call.1", "Mine."))
        foreign = asyncio.create_task(read_all(voice, "call.2", "The next turn."))
        await until(lambda: voice.metric("her_os_tts_queue_depth") == 3)
        report = await voice.cancel("call.1")
        assert report["cancelled"] == 2
        engine.allow_all()
        assert (await own)[0] == 410
        assert await foreign == (200, 4 * CHUNK)


async def test_a_finished_and_an_unknown_session_are_told_apart() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with running_voice(engine) as voice:
        assert (await read_all(voice, "call.1", "Hello."))[0] == 200
        await until(lambda: voice.metric("her_os_tts_open_requests") == 0)
        finished, unknown = await voice.cancel("call.1"), await voice.cancel("call.2")
    assert (finished["cancelled"], finished["state"]) == (0, "finished")
    assert (unknown["cancelled"], unknown["state"]) == (0, "unknown")


@pytest.mark.parametrize("spoken_before", [True, False])
async def test_a_cancel_leaves_a_tombstone(spoken_before: bool) -> None:
    """A barge-in that arrives before its synthesis still wins."""
    engine = ScriptedVoice(open_gate=True)
    async with running_voice(engine) as voice:
        if spoken_before:
            await read_all(voice, "call.1", "Hello.")
        pieces = len(engine.pieces)
        await voice.cancel("call.1")
        async with voice.synthesize("call.1", "Too late.") as response:
            assert response.status == 410
            assert (await response.json())["error"]["code"] == "cancelled_turn"
        assert len(engine.pieces) == pieces
        assert (await read_all(voice, "call.2", "The next turn."))[0] == 200


async def test_a_disconnect_cancels_its_request_and_only_it() -> None:
    engine = ScriptedVoice()
    async with running_voice(engine) as voice:
        engine.allow(1)
        first = await voice.synthesize("call.1", "endless")
        second = asyncio.create_task(read_all(voice, "call.1", "I stay."))
        await until(lambda: voice.metric("her_os_tts_queue_depth") == 2)
        await first.content.readexactly(len(CHUNK))
        first.close()
        await until(lambda: voice.metric("her_os_tts_open_requests") == 1)
        engine.allow_all()
        assert await second == (200, 4 * CHUNK)
        assert voice.metric("her_os_tts_requests_total", outcome="disconnected") == 1


async def test_a_queued_request_whose_client_goes_away_is_never_spoken() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "endless") as first:
        await first.content.readexactly(len(CHUNK))
        waiting = asyncio.create_task(read_all(voice, "other.1", "Never."))
        await until(lambda: voice.metric("her_os_tts_queue_depth") == 2)
        waiting.cancel()
        await asyncio.wait({waiting})
        await until(lambda: voice.metric("her_os_tts_open_requests") == 1)
        await voice.cancel("call.1")
    assert engine.pieces == ["endless"]


async def test_a_daemon_that_stops_leaves_no_thread() -> None:
    engine = ScriptedVoice()
    async with running_voice(engine) as voice:
        engine.allow(1)
        response = await voice.synthesize("call.1", "endless")
        await response.content.readexactly(len(CHUNK))
    response.close()
    assert engine.thread is not None
    assert not engine.thread.is_alive()


async def test_the_report_is_what_the_contract_says() -> None:
    async with running_voice(ScriptedVoice(open_gate=True)) as voice:
        assert set(await voice.cancel("call.1")) == set(CancelReport.__struct_fields__)
