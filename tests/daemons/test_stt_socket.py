"""The wire contract of `GET /v1/stream`, on real sockets, with a scripted engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from her_os.contracts.errors import ConfigError, HerOsError
from her_os.contracts.speech_to_text import Auth, Close, ErrorMessage, Final, Finalize, Partial, Ready, Start
from her_os.daemons.stt import build
from her_os.settings import Secrets, load_settings
from tests.daemons.stt_daemon import TOKEN, Closed, EarsSocket, RunningEars, running_ears
from tests.fakes.recogniser import CRASHES, FAILS, NumberEngine, block_of
from tests.waiting import until


async def test_an_utterance_and_another():
    engine = NumberEngine()
    async with running_ears(engine) as ears, ears.socket() as socket:
        assert await socket.start("call-7") == Ready("call-7", 16_000, "numbers")
        await socket.raw.send_bytes(block_of(1))
        assert await socket.receive() == Partial(0, 0, "1", 100)
        await socket.raw.send_bytes(block_of(2))
        await socket.send(Finalize())
        final = await socket.until(Final)
        assert (final.utterance, final.text, final.audio_ms) == (0, "1 2", 200)
        await socket.raw.send_bytes(block_of(3))
        await socket.send(Finalize())
        final = await socket.until(Final)
        assert (final.utterance, final.start_ms, final.text) == (1, 200, "3")
        await socket.send(Finalize())
        assert (await socket.until(Final)).text == ""
        await socket.send(Close())
        assert await socket.receive() == Closed(1000)
        await until(lambda: ears.held == 0)
        assert engine.events == ["open", "close"]


@pytest.mark.parametrize("first", ['{"type":"auth","token":"wrong"}', '{"type":"finalize"}', "nonsense", b"\0\0"])
async def test_whoever_does_not_authenticate_first_is_closed_with_1008(first: str | bytes):
    async with running_ears(NumberEngine()) as ears, ears.socket() as socket:
        await (socket.raw.send_str(first) if isinstance(first, str) else socket.raw.send_bytes(first))
        assert await socket.receive() == Closed(1008)
        await until(lambda: ears.metric("her_os_stt_refused_total", reason="auth") == 1)


async def test_auth_that_comes_late_is_closed_with_1008():
    async with running_ears(NumberEngine()) as ears, ears.socket() as socket:
        assert await socket.receive() == Closed(1008)


async def test_no_audio_is_taken_before_the_model_is_loaded():
    engine = NumberEngine()
    engine.may_load.clear()
    async with running_ears(engine, wait=False) as ears, ears.socket() as early, ears.socket() as patient:
        health = f"http://127.0.0.1:{ears.daemon.port}/health"
        async with ears.http.get(health) as response:
            assert response.status == 503
        await early.send(Auth(TOKEN))
        await early.send(Start("early"))
        await early.raw.send_bytes(block_of(1))
        assert (await early.until(ErrorMessage)).code == "protocol"
        assert await early.receive() == Closed(1003)
        await patient.send(Auth(TOKEN))
        await patient.send(Start("patient"))
        assert engine.events == []
        engine.may_load.set()
        assert (await patient.until(Ready)).session_id == "patient"
        async with ears.http.get(health) as response:
            assert response.status == 200


async def test_a_client_that_leaves_while_the_model_loads_is_forgotten():
    engine = NumberEngine()
    engine.may_load.clear()
    async with running_ears(engine, wait=False) as ears:
        async with ears.socket() as socket:
            await socket.send(Auth(TOKEN))
            await socket.send(Start("gone"))
            socket.reset()
        await until(lambda: ears.metric("her_os_stt_ended_total", how="client left") == 1)
        engine.may_load.set()
        await until(lambda: ears.daemon.readiness.ready)
        assert engine.events == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\0\0\0", "protocol"),
        ("nonsense", "protocol"),
        ('{"type":"start","session_id":"again"}', "protocol"),
        ('{"type":"auth","token":"again"}', "protocol"),
    ],
)
async def test_a_wrong_frame_is_told_and_closed_with_1003(frame: str | bytes, code: str):
    engine = NumberEngine()
    async with running_ears(engine) as ears, ears.socket() as socket:
        await socket.start()
        await (socket.raw.send_str(frame) if isinstance(frame, str) else socket.raw.send_bytes(frame))
        assert (await socket.until(ErrorMessage)).code == code
        assert await socket.receive() == Closed(1003)
        await until(lambda: ears.held == 0)
        assert engine.open_sessions == 0


@pytest.mark.parametrize("start", [Start("x", sample_rate=8000), Start("x", language="de"), Finalize()])
async def test_a_start_that_cannot_be_served_is_closed_with_1003(start: Start | Finalize):
    async with running_ears(NumberEngine()) as ears, ears.socket() as socket:
        await socket.send(Auth(TOKEN))
        await socket.send(start)
        await socket.until(ErrorMessage)
        assert await socket.receive() == Closed(1003)
        await until(lambda: ears.held == 0)


async def test_a_frame_that_is_too_large_is_closed_with_1009():
    engine = NumberEngine()
    async with running_ears(engine, max_message_bytes=4096) as ears, ears.socket() as socket:
        await socket.start()
        await socket.raw.send_bytes(bytes(4098))
        assert await socket.until(Closed) == Closed(1009)
        await until(lambda: ears.held == 0 and engine.open_sessions == 0)


@pytest.mark.parametrize("number", [FAILS, CRASHES])
async def test_an_engine_that_fails_is_told_and_closed_with_1011(number: int):
    engine = NumberEngine()
    async with running_ears(engine) as ears:
        async with ears.socket() as socket:
            await socket.start()
            await socket.raw.send_bytes(block_of(number))
            assert (await socket.until(ErrorMessage)).code == "recognition"
            assert await socket.receive() == Closed(1011)
        await until(lambda: ears.held == 0)
        assert ears.metric("her_os_stt_errors_total", code="recognition") == 1
        async with ears.socket() as socket:
            await socket.start()


async def test_one_session_too_many_is_closed_with_1013_and_takes_nobodys_place():
    engine = NumberEngine()
    async with running_ears(engine, max_calls=1) as ears, ears.socket() as first, ears.socket() as second:
        await first.start()
        await second.start()
        for _ in range(3):
            async with ears.socket() as third:
                await third.send(Auth(TOKEN))
                await third.send(Start("third"))
                assert (await third.until(ErrorMessage)).code == "capacity"
                assert await third.receive() == Closed(1013)
        assert ears.held == 2
        await first.send(Close())
        await until(lambda: ears.held == 1)
        async with ears.socket() as third:
            await third.start()
        assert ears.metric("her_os_stt_refused_total", reason="capacity") == 3


End = Callable[[EarsSocket, NumberEngine, RunningEars], Awaitable[None]]


async def _close(socket: EarsSocket, _engine: NumberEngine, _ears: RunningEars) -> None:
    await socket.send(Close())


async def _reset(socket: EarsSocket, _engine: NumberEngine, _ears: RunningEars) -> None:
    socket.reset()


async def _fail(socket: EarsSocket, _engine: NumberEngine, _ears: RunningEars) -> None:
    await socket.raw.send_bytes(block_of(FAILS))


async def _stop(_socket: EarsSocket, _engine: NumberEngine, ears: RunningEars) -> None:
    ears.daemon.stop.set()


async def _reset_in_accept(socket: EarsSocket, engine: NumberEngine, _ears: RunningEars) -> None:
    engine.may_accept.clear()
    await socket.raw.send_bytes(block_of(2))
    await until(lambda: engine.sessions[-1].in_call)
    socket.reset()
    engine.may_accept.set()


async def _stop_in_finalize(socket: EarsSocket, engine: NumberEngine, ears: RunningEars) -> None:
    engine.may_finalize.clear()
    await socket.send(Finalize())
    await until(lambda: engine.sessions[-1].in_call)
    ears.daemon.stop.set()
    threading.Timer(0.1, engine.may_finalize.set).start()


@pytest.mark.parametrize("end", [_close, _reset, _fail, _stop, _reset_in_accept, _stop_in_finalize])
async def test_a_sessions_state_is_released_however_it_ends(end: End):
    engine = NumberEngine()
    async with running_ears(engine) as ears, ears.socket() as socket:
        await socket.start()
        await socket.raw.send_bytes(block_of(1))
        await socket.until(Partial)
        await end(socket, engine, ears)
        await until(lambda: ears.held == 0)
        assert engine.events == ["open", "close"]
    assert engine.unloaded


async def test_a_slow_engine_holds_the_sender_back_and_nothing_is_dropped():
    engine = NumberEngine()
    async with running_ears(engine) as ears, ears.socket() as socket:
        await socket.start()
        engine.may_accept.clear()
        block = bytes(64_000)

        async def send_all() -> None:
            for _ in range(400):
                await socket.raw.send_bytes(block)

        sending = asyncio.create_task(send_all())
        _, waiting = await asyncio.wait({sending}, timeout=0.5)
        assert waiting, "25 MB went somewhere while the engine took nothing"
        engine.may_accept.set()
        await sending
        await socket.send(Finalize())
        final = await socket.until(Final)
        assert final.audio_ms == 400 * 2000


async def test_health_is_answered_while_engines_work():
    engine = NumberEngine()
    async with running_ears(engine) as ears, ears.socket() as socket:
        await socket.start()
        engine.may_accept.clear()
        await socket.raw.send_bytes(block_of(1))
        await until(lambda: engine.sessions[-1].in_call)
        async with ears.http.get(f"http://127.0.0.1:{ears.daemon.port}/health") as response:
            assert response.status == 200
        engine.may_accept.set()


async def test_metrics_tell_audio_time_and_latency():
    async with running_ears(NumberEngine()) as ears, ears.socket() as socket:
        await socket.start()
        await socket.raw.send_bytes(block_of(1, 2, 3))
        await socket.send(Finalize())
        await socket.until(Final)
        async with ears.http.get(f"http://127.0.0.1:{ears.daemon.port}/metrics") as response:
            text = await response.text()
        for line in ("her_os_stt_audio_seconds_total 0.3", "her_os_stt_sessions 1.0", "her_os_stt_session_cap 2.0"):
            assert line in text
        assert ears.metric("her_os_stt_finalize_seconds_count") == 1
        assert ears.metric("her_os_stt_real_time_factor") > 0


async def test_a_hundred_sessions_leave_nothing_behind():
    engine = NumberEngine()
    async with running_ears(engine, max_calls=1) as ears:
        threads = None
        for number in range(110):
            async with ears.socket() as socket:
                await socket.start(f"call-{number}")
                await socket.raw.send_bytes(block_of(number))
                if number % 3:
                    await socket.send(Finalize())
                    assert (await socket.until(Final)).text == str(number)
                if number % 5 == 0:
                    socket.reset()
            await until(lambda: ears.held == 0)
            threads = threads or threading.active_count()
        await until(lambda: threading.active_count() <= threads)
        assert engine.events.count("close") == 110
        assert len([task for task in asyncio.all_tasks() if "stop" in task.get_name()]) <= 2


async def test_a_second_process_on_the_port_and_a_second_worker_are_refused():
    async with running_ears(NumberEngine()) as ears:
        with pytest.raises(HerOsError, match="another copy running"):
            async with running_ears(NumberEngine(), port=ears.daemon.port):
                pass
    many = load_settings(environ={"WEB_CONCURRENCY": "2"})
    with pytest.raises(ConfigError, match="WEB_CONCURRENCY: is 2"):
        build(many, Secrets(*["unused-here-but-long"] * 5), NumberEngine())


async def test_a_foreign_page_cannot_open_the_socket():
    async with running_ears(NumberEngine()) as ears:
        url = f"http://127.0.0.1:{ears.daemon.port}/v1/stream"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await ears.http.ws_connect(url, headers={"Origin": "https://evil.example"})


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
async def test_a_client_that_vanishes_at_any_moment_leaves_no_error_in_the_log(
    frames: int, caplog: pytest.LogCaptureFixture
):
    engine = NumberEngine()
    async with running_ears(engine) as ears:
        async with ears.socket() as socket:
            sending = [Auth(TOKEN), Start("call"), Finalize()][:frames]
            for message in sending:
                await socket.send(message)
            socket.reset()
        await until(lambda: ears.held == 0)
        async with ears.socket() as next_one:
            await next_one.start("next")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
