"""The recogniser's client against the real daemon code on real sockets, with an engine that hears numbers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from her_os.clients import stt_client
from her_os.clients.stt_client import SttClient
from her_os.clients.stt_socket import SttConnection
from her_os.contracts.errors import AuthError, CancelledTurn, CapacityError, SidecarUnavailable
from her_os.contracts.speech_to_text import Partial
from her_os.settings.schema import SpeechToText
from tests.daemons.stt_daemon import TOKEN, RunningEars, running_ears
from tests.fakes.recogniser import BLOCK_SAMPLES, FAILS, NumberEngine, block_of
from tests.ports import free_port
from tests.waiting import until


class Caller:
    """Speaks numbers into a client, one block of 100 ms each, on the call's clock."""

    def __init__(self, client: SttClient) -> None:
        self.client, self.sample = client, 0

    def say(self, *numbers: int) -> None:
        for number in numbers:
            self.client.push(block_of(number), self.sample)
            self.sample += BLOCK_SAMPLES

    def wait(self, blocks: int) -> None:
        """Time goes by in which nothing is pushed."""
        self.sample += blocks * BLOCK_SAMPLES


@asynccontextmanager
async def calling(ears: RunningEars, **options: float) -> AsyncIterator[tuple[SttClient, Caller]]:
    client = SttClient(ears.settings, TOKEN, "call-1", **options)
    try:
        await client.open()
        yield client, Caller(client)
    finally:
        await client.close()


async def test_utterances_in_call_time():
    async with running_ears(NumberEngine()) as ears, calling(ears) as (client, caller):
        assert client.available
        caller.say(1, 2)
        final = await client.finalize()
        assert (final.utterance, final.text, final.start_ms, final.audio_ms) == (0, "1 2", 0, 200)
        caller.wait(10)
        caller.say(3)
        final = await client.finalize()
        assert (final.utterance, final.text, final.start_ms, final.audio_ms) == (1, "3", 1200, 1300)
        assert [(word.start_ms, word.end_ms) for word in final.words] == [(1200, 1300)]
        assert (await client.finalize()).text == ""


async def test_partials_of_the_open_utterance_only():
    engine = NumberEngine()
    heard: list[Partial] = []
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        client.on_partial = heard.append
        caller.say(1)
        await until(lambda: heard)
        assert heard == [Partial(0, 0, "1", 100)]
        engine.may_accept.clear()
        caller.say(2)
        await until(lambda: engine.sessions[-1].in_call)
        asking = asyncio.create_task(client.finalize())
        await asyncio.sleep(0)
        engine.may_accept.set()
        assert (await asking).text == "1 2"
        caller.say(3)
        await until(lambda: len(heard) > 1)
        assert [(partial.utterance, partial.text) for partial in heard] == [(0, "1"), (1, "3")]


async def test_a_listener_that_fails_does_not_end_the_stream():
    async with running_ears(NumberEngine()) as ears, calling(ears) as (client, caller):
        client.on_partial = lambda _partial: 1 / 0
        caller.say(1)
        assert (await client.finalize()).text == "1"
        assert client.available


async def test_push_takes_what_a_held_engine_does_not_and_nothing_is_lost():
    engine = NumberEngine()
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        engine.may_accept.clear()
        caller.say(*range(1, 251))
        asking = asyncio.create_task(client.finalize())
        await until(lambda: engine.sessions[-1].in_call)
        engine.may_accept.set()
        assert (await asking).text.split() == [str(number) for number in range(1, 251)]


async def test_a_cycle_replays_from_the_given_sample_and_forgets_the_old_session():
    engine = NumberEngine()
    heard: list[Partial] = []
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        caller.say(*range(1, 21))
        await until(lambda: engine.sessions[0].words[-1:] == ["20"])
        engine.may_accept.clear()
        caller.say(21)
        await until(lambda: engine.sessions[0].in_call)
        client.on_partial = heard.append
        cycling = asyncio.create_task(client.cycle(17 * BLOCK_SAMPLES))
        await asyncio.sleep(0)
        assert not client.available
        caller.say(22, 23)
        engine.may_accept.set()
        await cycling
        assert client.available
        caller.say(24)
        final = await client.finalize()
        assert final.text == "18 19 20 21 22 23 24"
        assert (final.start_ms, final.audio_ms) == (1700, 2400)
        assert final.utterance == 1
        assert all(partial.text.startswith("18") and partial.utterance == 1 for partial in heard)
        assert engine.events == ["open", "close", "open"]


async def test_a_cycle_overtakes_a_finalize():
    engine = NumberEngine()
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        engine.may_finalize.clear()
        caller.say(1, 2, 3)
        asking = asyncio.create_task(client.finalize())
        await until(lambda: engine.sessions[0].in_call)
        cycling = asyncio.create_task(client.cycle(2 * BLOCK_SAMPLES))
        with pytest.raises(CancelledTurn):
            await asking
        await cycling  # a held engine does not hold the new session
        engine.may_finalize.set()
        assert (await client.finalize()).text == "3"


async def test_cycles_may_follow_each_other_and_be_cancelled():
    async with running_ears(NumberEngine(), max_calls=4) as ears, calling(ears) as (client, caller):
        caller.say(1, 2)
        cycles = [asyncio.create_task(client.cycle(0)) for _ in range(4)]
        await asyncio.sleep(0)
        cycles[1].cancel()
        results = await asyncio.gather(*cycles, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None), type(None)]
        caller.say(3)
        assert (await client.finalize()).text == "1 2 3"


async def test_a_cancelled_finalize_leaves_the_stream_in_order():
    engine = NumberEngine()
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        engine.may_finalize.clear()
        caller.say(1)
        asking = asyncio.create_task(client.finalize())
        await until(lambda: engine.sessions[0].in_call)
        asking.cancel()
        await asyncio.wait({asking})
        engine.may_finalize.set()
        caller.say(2)
        final = await client.finalize()
        assert (final.utterance, final.text) == (1, "2")


async def test_what_was_not_finalised_is_said_again_after_a_restart():
    port = free_port()
    client = SttClient(SpeechToText(port=port, reopen_grace_ms=20), TOKEN, "call-1")
    caller = Caller(client)
    try:
        async with running_ears(NumberEngine(), port=port):
            await client.open()
            caller.say(1, 2)
            assert (await client.finalize()).text == "1 2"
            caller.say(3)
        await until(lambda: not client.available)
        caller.say(4)
        with pytest.raises(SidecarUnavailable):
            await client.finalize()
        with pytest.raises(SidecarUnavailable):
            await client.cycle(2 * BLOCK_SAMPLES)
        caller.say(5)
        async with running_ears(NumberEngine(), port=port):
            await until(lambda: client.available)
            caller.say(6)
            final = await client.finalize()
            assert final.text == "3 4 5 6"
            assert (final.start_ms, final.audio_ms) == (200, 600)
    finally:
        await client.close()


async def test_a_failing_engine_fails_the_finalize_and_the_stream_comes_back():
    engine = NumberEngine()
    async with running_ears(engine) as ears, calling(ears) as (client, caller):
        caller.say(FAILS)
        with pytest.raises(SidecarUnavailable, match="told to fail"):
            await client.finalize()
        bad_until = caller.sample
        caller.say(1)
        await client.cycle(bad_until)
        assert (await client.finalize()).text == "1"


async def test_a_daemon_that_hangs_is_noticed_by_the_finalize():
    engine = NumberEngine()
    async with running_ears(engine) as ears, calling(ears, finalize_s=0.1) as (client, caller):
        engine.may_finalize.clear()
        caller.say(1)
        with pytest.raises(SidecarUnavailable, match="no final came"):
            await client.finalize()
        engine.may_finalize.set()
        await until(lambda: client.available and len(engine.sessions) == 2)
        assert (await client.finalize()).text == "1"


async def test_open_tells_why_it_cannot_and_leaves_nothing_running():
    with pytest.raises(SidecarUnavailable):
        await SttClient(SpeechToText(port=free_port()), TOKEN, "call-1").open()
    async with running_ears(NumberEngine(), max_calls=1) as ears:
        with pytest.raises(AuthError):
            await SttClient(ears.settings, "wrong", "call-1").open()
        async with calling(ears), calling(ears):
            client = SttClient(ears.settings, TOKEN, "call-3")
            with pytest.raises(CapacityError):
                await client.open()
            assert not client.available
        await until(lambda: ears.held == 0)
        await client.open()
        await client.close()


async def test_close_is_idempotent_and_does_not_wait_for_a_held_engine():
    engine = NumberEngine()
    async with running_ears(engine) as ears:
        client = SttClient(ears.settings, TOKEN, "call-1")
        await client.open()
        engine.may_finalize.clear()
        client.push(block_of(1), 0)
        asking = asyncio.create_task(client.finalize())
        await until(lambda: engine.sessions and engine.sessions[0].in_call)
        await client.close()
        await client.close()
        with pytest.raises(SidecarUnavailable):
            await asking
        with pytest.raises(SidecarUnavailable):
            await client.finalize()
        with pytest.raises(SidecarUnavailable):
            await client.cycle(0)
        engine.may_finalize.set()


async def test_a_hundred_calls_leave_nothing_behind():
    engine = NumberEngine()
    async with running_ears(engine, max_calls=2) as ears:
        for number in range(100):
            async with calling(ears) as (client, caller):
                caller.say(number)
                if number % 4 == 0:
                    await client.cycle(0)
                assert (await client.finalize()).text == str(number)
        await until(lambda: ears.held == 0 and engine.open_sessions == 0)


async def test_attempts_that_take_long_still_wait_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Only a session that worked begins anew with a short wait; a model that never loads is not asked all the time."""
    monkeypatch.setattr(stt_client, "_MOST_BACKOFF_S", 0.16)
    monkeypatch.setattr(stt_client, "_BACKOFF_S", 0.06)
    monkeypatch.setattr(stt_client, "READY_S", 0.2)
    async with running_ears(NumberEngine()) as ears:
        client = SttClient(ears.settings, TOKEN, "call-1")
        await client.open()
        monkeypatch.setattr(SttConnection, "receive", lambda _self: asyncio.sleep(60))
        assert client._link is not None
        client._link.give_up()
        await until(lambda: caplog.text.count("trying again") >= 4)
        await client.close()
    waits = re.findall(r"trying again in (\S+) s", caplog.text)[1:]
    assert waits == sorted(waits)
    assert waits[-1] != waits[0]
    assert "stt: was not ready within 0.2 s; is its model still loading?" in caplog.text
