"""The voice of the greeting: the text-to-speech daemon, and no speaker yet."""

from __future__ import annotations

import time

from her_os.clients.tts_client import TtsClient
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import SynthesisError
from her_os.service.health_probe import reachable_host
from her_os.settings import Secrets, Settings


class DaemonVoice:
    """`loader.greeting.Voice` by way of the daemon. The room has no speaker of ours, so nothing is played."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._url = f"http://{reachable_host(settings.tts.host)}:{settings.tts.port}"
        self._token = secrets.tts_token

    async def synthesise(self, text: str) -> float:
        """Milliseconds of the speech. Raises HerOsError."""
        size = 0
        session_id = f"greeting-{time.time_ns()}.0"
        async with TtsClient(self._url, self._token) as voice, voice.speak(session_id, text) as stream:
            async for pcm in stream:
                size += len(pcm)
        if not size:
            raise SynthesisError("the voice said nothing")
        return size / SAMPLE_WIDTH / CONVERSATION_RATE * 1000

    async def play(self) -> bool:
        """There is no speaker."""
        return False
