"""A text-to-speech daemon on a real socket, in the test's own process, with an engine that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from prometheus_client import CollectorRegistry

from her_os.contracts.text_to_speech import TextToSpeechEngine
from her_os.daemons.tts import build
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings
from her_os.settings.schema import TextToSpeech
from tests.waiting import until

TOKEN = "a-token-for-the-voice"


@dataclass
class RunningVoice:
    daemon: HttpDaemon
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.daemon.port}"

    def synthesize(self, session_id: str, text: str, voice: str = "") -> aiohttp.client._RequestContextManager:
        return self.http.post(
            f"{self.url}/v1/synthesize", json={"session_id": session_id, "text": text, "voice": voice}
        )

    async def cancel(self, session_id: str) -> dict[str, object]:
        async with self.http.post(f"{self.url}/cancel/{session_id}") as response:
            assert response.status == 200
            return await response.json()

    def metric(self, name: str, **labels: str) -> float:
        registry: CollectorRegistry = self.daemon.metrics
        return registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running_voice(
    engine: TextToSpeechEngine, *, max_text_chars: int = 4000, wait: bool = True
) -> AsyncIterator[RunningVoice]:
    tts = TextToSpeech(port=0, engine=engine.name, max_text_chars=max_text_chars)
    secrets = Secrets(*(["unused-here-but-long"] + [TOKEN] + ["unused-here-but-long"] * 3))
    daemon = build(Settings(tts=tts), secrets, engine)
    task = asyncio.create_task(daemon.run(), name="daemon")
    try:
        await until(lambda: (daemon.port != 0 and (not wait or daemon.readiness.ready)) or task.done())
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
            yield RunningVoice(daemon, http)
    finally:
        daemon.stop.set()
        await asyncio.wait({task})
        task.result()
