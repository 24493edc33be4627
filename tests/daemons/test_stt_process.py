"""The speech-to-text daemon as a process of its own, with the real recogniser and a client that outlives it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from her_os.clients.stt_client import SttClient
from her_os.settings.schema import SpeechToText
from tests.speech import spoken

TOKEN = "a-token-for-the-ears"
MAIN = """
import asyncio, sys
from pathlib import Path
from her_os.daemons.stt import main
from her_os.service.http_daemon import run_daemon
from her_os.service.logging import setup_logging
from her_os.settings import Secrets, load_settings
setup_logging("stt")
settings = load_settings(Path(sys.argv[1]))
sys.exit(run_daemon(lambda: main(settings, Secrets(sys.argv[2], *["unused-here-but-long"] * 4))))
"""


class Daemon:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        """Started and ready. On leaving it is stopped, unless the test killed it."""
        config = self._folder / "her-os.yaml"
        config.write_text(f"stt:\n  port: {self.port}\n")
        environ = {**os.environ, "HER_OS_CACHE_DIR": str(self._folder / "cache")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MAIN, str(config), TOKEN, env=environ, stderr=asyncio.subprocess.PIPE
        )
        try:
            self.port = await self._ready(process)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.communicate()

    @staticmethod
    async def _ready(process: Process) -> int:
        assert process.stderr is not None
        async for line in process.stderr:
            if match := re.search(rb"ready on 127\.0\.0\.1:(\d+)", line):
                return int(match[1])
        raise AssertionError("the daemon ended before it was ready")


class Caller:
    """Pushes speech in frames of 20 ms, as fast as they are taken."""

    def __init__(self, client: SttClient) -> None:
        self._client, self._sample = client, 0

    def say(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), 640):
            frame = pcm[at : at + 640]
            self._client.push(frame, self._sample)
            self._sample += len(frame) // 2


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path)


async def test_a_daemon_killed_in_the_middle_of_an_utterance_loses_no_word(daemon: Daemon):
    heard: list[str] = []
    client: SttClient | None = None
    try:
        async with daemon.running() as process:
            client = SttClient(SpeechToText(port=daemon.port), TOKEN, "call-1")
            client.on_partial = lambda partial: heard.append(partial.text)
            await client.open()
            caller = Caller(client)
            caller.say(spoken("thank-you-goodbye"))
            assert (await client.finalize()).text == "thank you goodbye"
            speech = spoken("what-time-is-it")
            most = len(speech) * 85 // 100 // 640 * 640
            heard.clear()
            caller.say(speech[:most])
            async with asyncio.timeout(20):
                while not heard:  # it has begun to understand
                    await asyncio.sleep(0.01)
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        caller.say(speech[most:])
        async with daemon.running():
            async with asyncio.timeout(20):
                while not client.available:
                    await asyncio.sleep(0.01)
            final = await client.finalize()
            assert final.text == "what time is it"
            assert final.utterance == 2, "the interrupted one is numbered anew, its partials begin again"
            await client.close()
    finally:
        if client is not None:
            await client.close()


async def test_sigterm_in_a_call_ends_the_process_cleanly(daemon: Daemon):
    async with daemon.running() as process:
        client = SttClient(SpeechToText(port=daemon.port), TOKEN, "call-1")
        try:
            await client.open()
            Caller(client).say(spoken("set-a-timer"))
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        finally:
            await client.close()
