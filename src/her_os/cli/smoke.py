"""`her-os smoke`: make the voice say something and look at every byte of it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated

import aiohttp
import msgspec
import typer

from her_os.audio.speech_check import SpeechMeasure, check_speech
from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.text_to_speech import SynthesisRequest
from her_os.settings import load_secrets, load_settings

SENTENCE = "This is a test of the voice, and it can be heard."
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=2)


def smoke(
    config: ConfigFile = None,
    text: Annotated[str, typer.Option(help="What to say.")] = SENTENCE,
    voice: Annotated[str, typer.Option(help="Voice; empty: the configured one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a real synthesis byte by byte. Exit status 1, with the reason, when the voice cannot be heard."""
    settings = load_settings(config)
    token = load_secrets(settings.environment.secrets_file).tts_token
    base_url = f"http://{settings.tts.host}:{settings.tts.port}"
    health, measure, reason = asyncio.run(_check(base_url, token, text, voice))
    problems = [reason] if reason else list(measure.problems) if measure else []
    if as_json:
        measured = asdict(measure) if measure else {}
        typer.echo(json.dumps({**measured, "audible": not problems, "health": health, "problems": problems}))
    else:
        _print(measure, health, problems)
    raise typer.Exit(1 if problems else 0)


async def _check(base_url: str, token: str, text: str, voice: str) -> tuple[int, SpeechMeasure | None, str]:
    """Status of `/health` (0: unreachable), the measures, and why there is none."""
    health = 0
    session_id = f"smoke-{time.time_ns()}.0"
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            async with http.get(f"{base_url}/health") as response:
                health = response.status
            async with http.post(
                f"{base_url}/v1/synthesize",
                data=msgspec.json.encode(SynthesisRequest(session_id, text, voice)),
                headers={"Authorization": f"Bearer {token}"},
            ) as response:
                if response.status != 200:
                    return health, None, f"the synthesis was answered {response.status}: {await response.text()}"
                pcm = await response.read()
                return health, check_speech(pcm, response.headers.get("Content-Type", ""), text), ""
    except (aiohttp.ClientError, TimeoutError) as error:
        what = "the voice broke off or could not be reached"
        return health, None, f"{what} at {base_url}: {error or type(error).__name__}"


def _print(measure: SpeechMeasure | None, health: int, problems: list[str]) -> None:
    if measure is not None:
        typer.echo(
            f"{measure.content_type}, {measure.size_bytes} bytes, {measure.duration_s:.2f} s\n"
            f"level {measure.rms_dbfs} dBFS (peak {measure.peak_dbfs}), {measure.active_share:.0%} audible, "
            f"{measure.clipped_share:.2%} clipped, level varies by {measure.level_spread_db} dB"
        )
    for problem in problems:
        typer.echo(f"the voice fails: {problem}", err=True)
    if problems and health == 200:
        typer.echo("/health is 200 all the same: restart her-os-tts and look at its log", err=True)
    if not problems:
        typer.echo("the voice can be heard")
