"""Use a daemon once before the first caller does: a token, a moment of silence recognised, a word spoken unheard."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import aiohttp

from her_os.clients.stt_client import SttClient
from her_os.clients.tts_client import TtsClient
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import SidecarUnavailable
from her_os.service.health_probe import reachable_host
from her_os.settings import Secrets, Settings

WarmUp = Callable[[], Awaitable[None]]
_WORD = "Hello."


def warm_up_of(name: str, settings: Settings, secrets: Secrets) -> WarmUp:
    """The warm-up of a service, as `services:` says. It raises HerOsError, OSError."""
    services = settings.services
    if name == "llm" and services.llm.warmup_token and not settings.llm.remote:
        return lambda: _generate(settings, secrets.llm_api_key, services.llm.warmup_token)
    if name == "stt" and services.stt.warmup_encoder_ms:
        return lambda: _recognise(settings, secrets.stt_token, services.stt.warmup_encoder_ms)
    if name == "tts" and services.tts.warmup:
        return lambda: _speak(settings, secrets.tts_token)
    return _nothing


async def _nothing() -> None:
    """Nothing is to be warmed."""


async def _generate(settings: Settings, key: str, tokens: int) -> None:
    url = f"http://{reachable_host(settings.llm.host)}:{settings.llm.port}/v1/chat/completions"
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": tokens, "cache_prompt": False}
    try:
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http,
            http.post(url, json=body) as response,
        ):
            text = await response.text()
    except aiohttp.ClientError as error:
        raise SidecarUnavailable("llm", str(error)) from error
    if response.status != 200:
        raise SidecarUnavailable("llm", f"answered {response.status}: {text[:200]}")


async def _recognise(settings: Settings, token: str, silence_ms: int) -> None:
    stream = SttClient(settings.stt, token, _session())
    await stream.open()
    try:
        stream.push(bytes(CONVERSATION_RATE * silence_ms // 1000 * SAMPLE_WIDTH), 0)
        await stream.finalize()
    finally:
        await stream.close()


async def _speak(settings: Settings, token: str) -> None:
    url = f"http://{reachable_host(settings.tts.host)}:{settings.tts.port}"
    async with TtsClient(url, token) as voice, voice.speak(_session(), _WORD) as stream:
        async for _ in stream:
            pass


def _session() -> str:
    return f"warm-up-{time.time_ns()}.0"
