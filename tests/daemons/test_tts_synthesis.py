"""The synthesis thread alone: turns between sessions, back pressure, failures, liveness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from her_os.contracts.errors import CancelledTurn, CapacityError, ConfigError, NotReadyError, SynthesisError
from her_os.daemons.tts_synthesis import MAX_WAITING, SynthesisJob, SynthesisThread
from tests.fakes.scripted_voice import CHUNK, ScriptedVoice
from tests.waiting import until


@asynccontextmanager
async def loaded(engine: ScriptedVoice, *, buffer_s: float = 10.0) -> AsyncIterator[SynthesisThread]:
    thread = SynthesisThread(engine, buffer_s=buffer_s)
    await thread.load()
    try:
        yield thread
    finally:
        engine.allow_all()
        await thread.close()
    assert engine.thread is not None
    assert not engine.thread.is_alive()


def submitted(thread: SynthesisThread, session_id: str, *pieces: str) -> SynthesisJob:
    job = thread.new_job(session_id, pieces, "")
    thread.submit(job)
    return job


async def read(job: SynthesisJob) -> bytes:
    data = b""
    while pcm := await job.pcm.take():
        data += pcm
    return data


async def test_sessions_take_turns_by_piece_and_a_session_is_served_in_order() -> None:
    engine = ScriptedVoice(steps=1)
    async with loaded(engine) as thread:
        jobs = [
            submitted(thread, "a.1", "A1", "A2", "A3"),
            submitted(thread, "a.1", "A4"),
            submitted(thread, "b.1", "B1", "B2"),
        ]
        engine.allow_all()
        assert [len(await read(job)) // len(CHUNK) for job in jobs] == [3, 1, 2]
    assert engine.pieces == ["A1", "B1", "A2", "B2", "A3", "A4"]


async def test_a_slow_reader_is_passed_over_and_goes_on_when_it_reads() -> None:
    engine = ScriptedVoice(steps=10, open_gate=True)
    async with loaded(engine, buffer_s=0.1) as thread:
        slow = submitted(thread, "slow.1", *["piece"] * 50)
        await until(lambda: slow.pcm.buffered > 0.1 * 32_000)
        assert len(await read(submitted(thread, "quick.1", "Hello."))) == 10 * len(CHUNK)
        assert slow.pcm.buffered == 10 * len(CHUNK)  # one piece is over the limit: no second one was begun
        assert len(await read(slow)) == 500 * len(CHUNK)


async def test_a_cancel_breaks_the_wait_for_a_slow_reader() -> None:
    engine = ScriptedVoice(steps=10, open_gate=True)
    async with loaded(engine, buffer_s=0.1) as thread:
        slow = submitted(thread, "slow.1", *["piece"] * 50)
        await until(lambda: slow.pcm.buffered == 10 * len(CHUNK) and not engine.inside.is_set())
        await asyncio.sleep(0)
        thread.stop(slow)
        await slow.left.wait()
        assert slow.pcm.buffered == 0
        with pytest.raises(CancelledTurn):
            await slow.pcm.take()
        assert thread.waiting == 0


async def test_audio_that_was_made_but_not_read_is_dropped_by_a_cancel() -> None:
    async with loaded(ScriptedVoice(open_gate=True)) as thread:
        job = submitted(thread, "a.1", "Hello.")
        await job.left.wait()
        assert job.pcm.buffered == 4 * len(CHUNK)
        assert not thread.stop(job)
        with pytest.raises(CancelledTurn):
            await job.pcm.take()


async def test_a_failure_comes_after_the_audio_before_it_and_the_thread_goes_on() -> None:
    async with loaded(ScriptedVoice(open_gate=True)) as thread:
        job = submitted(thread, "a.1", "broken", "never")
        assert await job.pcm.take() == CHUNK
        with pytest.raises(SynthesisError, match="scripted failure"):
            await read(job)
        assert len(await read(submitted(thread, "a.2", "Hello."))) == 4 * len(CHUNK)


async def test_an_engine_that_never_ends_is_stopped_by_its_own_audio() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with loaded(engine) as thread:
        job = submitted(thread, "a.1", "endless")
        await job.left.wait()
        assert job.pcm.buffered <= 71 * 32_000
        with pytest.raises(SynthesisError, match="60 s"):
            await read(job)


async def test_a_request_without_words_is_done_at_once() -> None:
    async with loaded(ScriptedVoice()) as thread:
        job = submitted(thread, "a.1")
        assert await read(job) == b""
        await job.left.wait()


async def test_too_many_requests_are_refused() -> None:
    async with loaded(ScriptedVoice()) as thread:
        jobs = [submitted(thread, f"a.{turn}", "Wait.") for turn in range(MAX_WAITING)]
        with pytest.raises(CapacityError):
            submitted(thread, "b.1", "One more.")
        for job in jobs:
            thread.stop(job)


async def test_a_thread_inside_an_engine_without_progress_is_not_alive() -> None:
    engine = ScriptedVoice()
    now = 0.0
    thread = SynthesisThread(engine, stall_s=30.0, clock=lambda: now)
    assert not thread.alive()
    await thread.load()
    try:
        now = 100.0
        assert thread.alive()  # idle, however long
        submitted(thread, "a.1", "endless")
        await until(engine.inside.is_set)
        now = 129.0
        assert thread.alive()
        now = 131.0
        assert not thread.alive()
        engine.allow(1)
        await until(thread.alive)
    finally:
        await thread.close()
    assert not thread.alive()


async def test_nothing_is_taken_before_loading_or_after_closing() -> None:
    thread = SynthesisThread(ScriptedVoice())
    with pytest.raises(NotReadyError):
        thread.new_job("a.1", ["Hello."], "")
    await thread.close()
    thread = SynthesisThread(ScriptedVoice())
    await thread.load()
    await thread.close()
    await thread.close()
    with pytest.raises(NotReadyError):
        submitted(thread, "a.1", "Hello.")


async def test_an_engine_that_does_not_load_says_why() -> None:
    class Unloadable(ScriptedVoice):
        def load(self) -> None:
            raise ConfigError("install the package libflite1", field="tts.engine")

    thread = SynthesisThread(Unloadable())
    with pytest.raises(ConfigError, match="libflite1"):
        await thread.load()
    await thread.close()
    assert not thread.alive()
