"""The client of a conversation, against the real daemon in-process and against servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from her_os.audio.speech_check import check_speech
from her_os.clients.tts_client import TtsClient
from her_os.contracts.errors import CancelledTurn, ProtocolError, SidecarUnavailable, SynthesisError
from her_os.contracts.text_to_speech import SpeechSynthesizer
from her_os.engines.tts_espeak import EspeakEngine
from tests.daemons.tts_daemon import TOKEN, RunningVoice, running_voice
from tests.fakes.scripted_voice import CHUNK, ScriptedVoice
from tests.waiting import until

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def connected(engine: ScriptedVoice | EspeakEngine) -> AsyncIterator[tuple[RunningVoice, TtsClient]]:
    async with running_voice(engine) as voice, TtsClient(voice.url, TOKEN) as client:
        yield voice, client


async def listen(client: SpeechSynthesizer, session_id: str, text: str) -> bytes:
    data = b""
    async with client.speak(session_id, text) as stream:
        assert stream.sample_rate == 16_000
        async for pcm in stream:
            assert len(pcm) % 2 == 0
            data += pcm
    return data


async def test_speech_comes_through_unchanged_at_16_khz() -> None:
    async with connected(ScriptedVoice(open_gate=True)) as (_, client):
        assert await listen(client, "call.1", "Hello.") == 4 * CHUNK


async def test_another_rate_is_resampled_to_16_khz() -> None:
    text = "This is a test of the voice, and it can be heard."
    async with connected(EspeakEngine()) as (_, client):
        pcm = await listen(client, "call.1", text)
    assert check_speech(pcm, "audio/pcm;rate=16000", text).problems == ()


async def test_the_first_audio_arrives_before_the_rest_is_made() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with connected(engine) as (_, client), client.speak("call.1", "Hello.") as stream:
        chunks = aiter(stream)
        assert await anext(chunks) == CHUNK
        assert engine.steps_taken == 1
        engine.allow(3)
        assert b"".join([pcm async for pcm in chunks]) == 3 * CHUNK


async def test_sentences_share_one_connection() -> None:
    async with connected(ScriptedVoice(open_gate=True)) as (_, client):
        for turn in range(5):
            await listen(client, f"call.{turn}", "Hello.")
        http = client._http
        assert http is not None
        assert http.connector is not None
        assert sum(len(held) for held in http.connector._conns.values()) == 1


async def test_leaving_the_context_cancels_what_is_left() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with connected(engine) as (voice, client):
        async with client.speak("call.1", "endless") as stream:
            await anext(aiter(stream))
        await until(lambda: voice.metric("her_os_tts_open_requests") == 0)
        assert not engine.inside.is_set()


async def test_a_cancel_ends_the_stream_as_a_cancelled_turn() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with connected(engine) as (_, client), client.speak("call.1", "endless") as stream:
        chunks = aiter(stream)
        await anext(chunks)
        report = await client.cancel("call.1")
        assert (report.state, report.cancelled, report.steps_after_cancel) == ("running", 1, 0)
        assert not engine.inside.is_set()
        with pytest.raises(CancelledTurn):
            await anext(chunks)


async def test_a_cancelled_session_is_refused_without_asking_the_daemon() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with connected(engine) as (voice, client):
        assert (await client.cancel("call.1")).state == "unknown"
        voice.daemon.stop.set()
        with pytest.raises(CancelledTurn):
            await listen(client, "call.1", "Too late.")
    assert engine.pieces == []


async def test_a_tombstone_of_another_client_is_a_cancelled_turn() -> None:
    async with connected(ScriptedVoice(open_gate=True)) as (voice, client):
        await voice.cancel("call.1")
        with pytest.raises(CancelledTurn, match="410"):
            await listen(client, "call.1", "Too late.")


async def test_a_request_that_waits_when_its_session_is_cancelled_is_a_cancelled_turn() -> None:
    engine = ScriptedVoice()
    async with connected(engine) as (_, client):
        waiting = asyncio.create_task(listen(client, "call.1", "endless"))
        await until(engine.inside.is_set)
        await client.cancel("call.1")
        with pytest.raises(CancelledTurn):
            await waiting


async def test_an_engine_that_breaks_is_a_synthesis_error() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with connected(engine) as (_, client):
        for text in ("broken-at-once", "broken"):
            with pytest.raises(SynthesisError):
                await listen(client, "call.1", text)
        assert await listen(client, "call.2", "Hello.") == 4 * CHUNK


async def test_nobody_there_is_an_unavailable_sidecar(unused_tcp_port: int) -> None:
    async with TtsClient(f"http://127.0.0.1:{unused_tcp_port}", TOKEN) as client:
        with pytest.raises(SidecarUnavailable, match="her-os-tts"):
            await listen(client, "call.1", "Hello.")
        with pytest.raises(SidecarUnavailable):
            await client.cancel("call.1")


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[TtsClient]:
    app = web.Application()
    app.router.add_post("/v1/synthesize", handler)
    app.router.add_post("/cancel/{session_id}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with TtsClient(f"http://127.0.0.1:{runner.addresses[0][1]}", TOKEN) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_chunks_that_split_a_sample_are_put_together() -> None:
    async def split(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm; rate=16000"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for size in (1, 2, 3, 5, 1):
            await response.write(bytes(range(size)))
            await asyncio.sleep(0.005)
        return response

    async with serving(split) as client:
        assert await listen(client, "call.1", "Hello.") == b"\0\0\1\0\1\2\0\1\2\3\4\0"


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"abc", "audio/pcm;rate=16000", SynthesisError),
        (b"abcd", "audio/pcm", ProtocolError),
        (b"abcd", "text/html", ProtocolError),
    ],
)
async def test_answers_that_break_the_contract(body: bytes, content_type: str, error: type[Exception]) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type})

    async with serving(answer) as client:
        with pytest.raises(error):
            await listen(client, "call.1", "Hello.")


@pytest.mark.parametrize(
    ("status", "error"), [(503, SidecarUnavailable), (400, SynthesisError), (401, SynthesisError), (410, CancelledTurn)]
)
async def test_statuses_that_are_errors(status: int, error: type[Exception]) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="the reason")

    async with serving(answer) as client:
        with pytest.raises(error, match="the reason"):
            await listen(client, "call.1", "Hello.")


async def test_an_answer_to_a_cancel_that_is_no_report_is_told() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async with serving(answer) as client:
        with pytest.raises(ProtocolError, match="CancelReport"):
            await client.cancel("call.1")
