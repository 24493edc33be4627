"""One real synthesis of the text-to-speech daemon, looked at byte by byte: its `/health` cannot hear."""

from __future__ import annotations

import time
from dataclasses import dataclass

import aiohttp
import msgspec

from her_os.audio.speech_check import SpeechMeasure, check_speech
from her_os.contracts.text_to_speech import SynthesisRequest
from her_os.settings import Settings, load_secrets

SENTENCE = "This is a test of the voice, and it can be heard."
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=2)


@dataclass(frozen=True)
class VoiceCheck:
    """What was found. `health` is the status of `/health` (0: unreachable); no problems: the voice can be heard."""

    health: int
    measure: SpeechMeasure | None
    problems: tuple[str, ...]


async def check_voice(settings: Settings, text: str = SENTENCE, voice: str = "") -> VoiceCheck:
    """Have `text` spoken and measure it. An unreachable or broken voice is a problem, not an exception."""
    token = load_secrets(settings.environment.secrets_file).tts_token
    base_url = f"http://{settings.tts.host}:{settings.tts.port}"
    health = 0
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            async with http.get(f"{base_url}/health") as response:
                health = response.status
            async with http.post(
                f"{base_url}/v1/synthesize",
                data=msgspec.json.encode(SynthesisRequest(f"smoke-{time.time_ns()}.0", text, voice)),
                headers={"Authorization": f"Bearer {token}"},
            ) as response:
                if response.status != 200:
                    answer = await response.text()
                    return VoiceCheck(health, None, (f"the synthesis was answered {response.status}: {answer}",))
                measure = check_speech(await response.read(), response.headers.get("Content-Type", ""), text)
                return VoiceCheck(health, measure, measure.problems)
    except (aiohttp.ClientError, TimeoutError) as error:
        what = "the voice broke off or could not be reached"
        return VoiceCheck(health, None, (f"{what} at {base_url}: {error or type(error).__name__}",))
