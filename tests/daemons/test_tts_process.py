"""The daemon as a process of its own, with the embedded voice: what a day of barge-ins leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from her_os.clients.tts_client import TtsClient
from her_os.contracts.errors import CancelledTurn
from tests.daemons.tts_daemon import TOKEN, running_voice
from tests.fakes.scripted_voice import ScriptedVoice
from tests.ports import free_port

CANCELS = 200
AT_ONCE = 4
LONG = "The quick brown fox jumps over the lazy dog near the river bank, and then it goes home. " * 40


def write_configuration(folder: Path, port: int) -> dict[str, str]:
    """Files of a household whose voice listens on `port`; the environment that names them."""
    config, secrets = folder / "her-os.yaml", folder / "secrets.env"
    config.write_text(f"tts:\n  port: {port}\n")
    names = ("STT", "TTS", "PHONE", "LOADER")
    secrets.write_text("".join(f"HER_OS_{n}_TOKEN={TOKEN}\n" for n in names) + f"HER_OS_LLM_API_KEY={TOKEN}\n")
    secrets.chmod(0o600)
    return {**os.environ, "HER_OS_CONFIG": str(config), "HER_OS_SECRETS_FILE": str(secrets)}


async def her_os(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "her_os.cli", *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def daemon(
    environment: dict[str, str], url: str, *, patience_s: float = 60
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "her_os.cli", "daemon", "tts", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(patience_s):
            while await health(url) != 200:
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
        sys.stderr.write(err.decode())


async def health(url: str) -> int:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/health") as response:
            return response.status
    except aiohttp.ClientError:
        return 0


async def metrics(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        lines = [line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def interrupt(client: TtsClient, session_id: str, after_s: float) -> str:
    """Speak, interrupt after a while, return the state that the cancel found."""

    async def speak() -> None:
        try:
            async with client.speak(session_id, LONG) as stream:
                async for _ in stream:
                    pass
        except CancelledTurn:
            pass

    speaking = asyncio.create_task(speak())
    await asyncio.sleep(after_s)
    report = await client.cancel(session_id)
    await speaking
    assert report.steps_after_cancel == 0
    return report.state


async def test_random_cancels_leave_no_thread_no_session_and_no_descriptor(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    chance = random.Random(7)
    async with daemon(write_configuration(tmp_path, port), url) as process, TtsClient(url, TOKEN) as client:
        states = [await interrupt(client, f"warm.{turn}", 0.02) for turn in range(AT_ONCE)]
        await client.close()
        await metrics(url)
        seen = psutil.Process(process.pid)
        threads = seen.num_threads()
        descriptors = await settled_descriptors(seen)

        async def call(number: int) -> None:
            for turn in range(CANCELS // AT_ONCE):
                states.append(await interrupt(client, f"call-{number}.{turn}", chance.uniform(0, 0.06)))

        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(call(number))
        await client.close()
        after = await metrics(url)
        assert after["her_os_tts_open_requests"] == 0
        assert after["her_os_tts_queue_depth"] == 0
        assert after["her_os_tts_steps_after_cancel_total"] == 0
        assert seen.num_threads() == threads
        assert await settled_descriptors(seen) <= descriptors
        assert "running" in states, "some were stopped in the middle"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def settled_descriptors(process: psutil.Process) -> int:
    """Open descriptors once the sockets of closed connections are gone."""
    async with asyncio.timeout(10):
        while process.net_connections("tcp")[1:]:
            await asyncio.sleep(0.02)
    return process.num_fds()


async def test_smoke_hears_the_voice(tmp_path: Path) -> None:
    port = free_port()
    environment = write_configuration(tmp_path, port)
    async with daemon(environment, f"http://127.0.0.1:{port}"):
        status, out, err = await her_os(environment, "smoke", "--json")
    assert (status, err) == (0, "")
    result = json.loads(out)
    assert result["audible"]
    assert result["sample_rate"] in {16_000, 22_050}
    assert result["problems"] == []


async def test_smoke_fails_on_a_mute_voice_though_health_is_200(tmp_path: Path) -> None:
    """The scripted voice says the same sample for ever."""
    async with running_voice(ScriptedVoice(steps=150, open_gate=True)) as voice:
        environment = write_configuration(tmp_path, voice.daemon.port)
        status, out, err = await her_os(environment, "smoke")
        assert status == 1
        assert "every sample is 8208" in err
        assert "/health is 200 all the same" in err
        assert "audio/pcm;rate=16000" in out


async def test_smoke_fails_when_nobody_is_there(tmp_path: Path) -> None:
    status, _, err = await her_os(write_configuration(tmp_path, free_port()), "smoke")
    assert status == 1
    assert "could not be reached" in err
