"""The HTTP face: streaming, errors, the de-facto standard API."""

from __future__ import annotations

import asyncio
import io
import threading
import wave

import aiohttp
import pytest

from her_os.contracts.errors import ConfigError
from her_os.daemons.tts import build
from her_os.settings import Secrets, Settings
from her_os.settings.schema import TextToSpeech
from tests.daemons.tts_daemon import TOKEN, running_voice
from tests.fakes.scripted_voice import CHUNK, RATE, ScriptedVoice
from tests.waiting import until


async def test_audio_streams_out_while_the_rest_is_not_made_yet() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice, voice.synthesize("call.1", "Hello.") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == f"audio/pcm;rate={RATE}"
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert await response.content.readexactly(len(CHUNK)) == CHUNK
        assert engine.steps_taken == 1
        engine.allow(3)
        assert await response.read() == 3 * CHUNK
        assert voice.metric("her_os_tts_first_chunk_seconds_count") == 1
        await until(lambda: voice.metric("her_os_tts_requests_total", outcome="spoken") == 1)
        assert voice.metric("her_os_tts_audio_seconds_total") == pytest.approx(0.08)


async def test_nothing_is_synthesised_before_the_engine_is_loaded() -> None:
    engine = ScriptedVoice(open_gate=True)
    engine.load_gate = threading.Event()
    async with running_voice(engine, wait=False) as voice:
        async with voice.http.get(f"{voice.url}/health") as response:
            assert response.status == 503
        async with voice.synthesize("call.1", "Hello.") as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "not_ready"
        engine.load_gate.set()
        await until(lambda: voice.daemon.readiness.ready)
        async with voice.http.get(f"{voice.url}/health") as response:
            assert response.status == 200
        async with voice.synthesize("call.1", "Hello.") as response:
            assert len(await response.read()) == 4 * len(CHUNK)


@pytest.mark.parametrize("text", ["", "  \n\t "])
async def test_text_with_nothing_to_say_is_an_empty_success(text: str) -> None:
    engine = ScriptedVoice()
    async with running_voice(engine) as voice, voice.synthesize("call.1", text) as response:
        assert response.status == 200
        assert await response.read() == b""
    assert engine.pieces == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ('{"session_id": "call.1", "text": "Hi", "voice": "third"}', 400, "first, second"),
        ('{"session_id": "call", "text": "Hi"}', 400, "CALL.TURN"),
        ('{"session_id": "call.1", "text": "Hi", "speed": 2}', 400, "speed"),
        ('{"session_id": "call.1"}', 400, "text"),
        ("nonsense", 400, "SynthesisRequest"),
        ('{"session_id": "call.1", "text": "' + 21 * "x" + '"}', 413, "21 characters"),
    ],
)
async def test_bad_requests_are_refused_with_a_reason(body: str, status: int, says: str) -> None:
    engine = ScriptedVoice()
    async with (
        running_voice(engine, max_text_chars=20) as voice,
        voice.http.post(f"{voice.url}/v1/synthesize", data=body) as response,
    ):
        assert response.status == status
        assert says in (await response.json())["error"]["message"]
    assert engine.pieces == []


async def test_strangers_are_refused() -> None:
    async with running_voice(ScriptedVoice()) as voice, aiohttp.ClientSession() as stranger:
        for path in ("/v1/synthesize", "/cancel/a.1", "/v1/audio/speech"):
            async with stranger.post(f"{voice.url}{path}", json={}) as response:
                assert response.status == 401


async def test_an_engine_that_fails_before_any_audio_is_a_500_and_the_daemon_stays_up() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with running_voice(engine) as voice:
        async with voice.synthesize("call.1", "broken-at-once") as response:
            assert response.status == 500
            assert (await response.json())["error"]["code"] == "synthesis"
        async with voice.synthesize("call.2", "Hello.") as response:
            assert len(await response.read()) == 4 * len(CHUNK)
        assert voice.metric("her_os_tts_requests_total", outcome="failed") == 1


async def test_an_engine_that_fails_in_the_middle_truncates_the_stream_noticeably() -> None:
    engine = ScriptedVoice()
    engine.allow(1)
    async with running_voice(engine) as voice:
        async with voice.synthesize("call.1", "broken") as response:
            assert await response.content.readexactly(len(CHUNK)) == CHUNK
            engine.allow(1)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        engine.allow_all()
        async with voice.synthesize("call.2", "Hello.") as response:
            assert len(await response.read()) == 4 * len(CHUNK)


async def test_the_voice_of_a_request_reaches_the_engine() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with running_voice(engine) as voice:
        for session_id, name in (("call.1", "second"), ("call.2", "")):
            async with voice.synthesize(session_id, "Hello.", name) as response:
                await response.read()
    assert engine.voices_used == ["second", ""]


async def test_the_de_facto_api_speaks_wav_and_pcm_and_normalises() -> None:
    engine = ScriptedVoice(open_gate=True)
    async with running_voice(engine) as voice:
        url = f"{voice.url}/v1/audio/speech"
        async with voice.http.post(
            url, json={"model": "any", "input": "It costs **$5**.", "voice": "first"}
        ) as response:
            assert response.content_type == "audio/wav"
            with wave.open(io.BytesIO(await response.read())) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
                assert file.readframes(file.getnframes()) == 4 * CHUNK
        async with voice.http.post(url, json={"input": "Hi", "response_format": "pcm", "extra": 1}) as response:
            assert response.headers["Content-Type"] == f"audio/pcm;rate={RATE}"
            assert await response.read() == 4 * CHUNK
        for bad in ({"response_format": "mp3"}, {"voice": "alloy"}, {"speed": 2.0}):
            async with voice.http.post(url, json={"input": "Hi", **bad}) as response:
                assert response.status == 400
    assert engine.pieces == ["It costs five dollars.", "Hi"]


async def test_two_calls_are_spoken_side_by_side() -> None:
    engine = ScriptedVoice(steps=1)
    async with running_voice(engine) as voice:

        async def speak(session_id: str, text: str) -> bytes:
            async with voice.synthesize(session_id, text) as response:
                return await response.read()

        first = asyncio.create_task(speak("a.1", "First one. First two. First three."))
        await until(engine.inside.is_set)
        second = asyncio.create_task(speak("b.1", "Second one."))
        await until(lambda: voice.metric("her_os_tts_queue_depth") == 2)
        engine.allow_all()
        await asyncio.gather(first, second)
    assert engine.pieces.index("Second one.") == 1


async def test_a_stuck_engine_is_not_healthy() -> None:
    engine = ScriptedVoice()
    async with running_voice(engine) as voice:
        voice.daemon.alive = lambda: False
        async with voice.http.get(f"{voice.url}/health") as response:
            assert response.status == 503


def test_a_voice_that_the_engine_does_not_have_is_a_mistake_in_the_configuration() -> None:
    secrets = Secrets(*[TOKEN] * 5)
    tts = TextToSpeech(port=0, engine="scripted", voice="third")
    with pytest.raises(ConfigError, match="first, second"):
        build(Settings(tts=tts), secrets, ScriptedVoice())
    fallen_back = TextToSpeech(port=0, engine="another", voice="third")
    build(Settings(tts=fallen_back), secrets, ScriptedVoice())
