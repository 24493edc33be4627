"""The daemon of whole utterances as a process of its own, with the recogniser that ships, over real HTTP."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import wave
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
import pytest_asyncio

from tests.daemons.test_stt_process import MAIN
from tests.e2e.voices import speak
from tests.ports import free_port
from tests.speech import FOLDER

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
TOKEN = "a-token-for-the-ears"
GOODBYE = FOLDER / "thank-you-goodbye.wav"
DEADLINE_S = 6
CONFIG = f"deadline_s: {DEADLINE_S}\n  queue: 2\n  max_upload_mb: 1\n  max_audio_s: 60\n  worker_nice: 0\n"


class Daemon:
    """The running daemon and a client of it."""

    def __init__(self, process: Process, port: int, config: Path, http: aiohttp.ClientSession) -> None:
        self.process, self.config, self._http = process, config, http
        self.url = f"http://127.0.0.1:{port}"

    async def health(self) -> dict[str, Any]:
        async with self._http.get(f"{self.url}/health") as response:
            return await response.json()

    async def worker(self) -> psutil.Process:
        """The process that is ready now."""
        async with asyncio.timeout(30):
            while not (pid := (await self.health()).get("worker_pid")):
                await asyncio.sleep(0.02)
        return psutil.Process(pid)

    async def until_busy(self) -> None:
        async with asyncio.timeout(20):
            while "busy" not in (await self.health())["worker"]:
                await asyncio.sleep(0.01)

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(20):
            while await self.metric("her_os_stt_batch_waiting") != count:
                await asyncio.sleep(0.01)

    async def metric(self, name: str) -> float:
        async with self._http.get(f"{self.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))

    async def post(self, sound: bytes | None = None, token: str = TOKEN, **fields: str) -> tuple[int, Any, Any]:
        """Status, body (JSON read) and headers of a transcription."""
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"model": "whisper-1", **fields}.items():
            form.add_field(name.replace("granularities", "granularities[]"), value)
        if sound is not None:
            form.add_field("file", io.BytesIO(sound), filename="voice.wav")
        return await self.send("/v1/audio/transcriptions", form, token)

    async def send(self, path: str, data: Any, token: str = TOKEN) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.post(self.url + path, data=data, headers=headers) as response:
            body = await (response.json() if response.content_type == "application/json" else response.text())
            return response.status, body, response.headers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    folder, port = tmp_path_factory.mktemp("stt-batch"), free_port()
    config = folder / "her-os.yaml"
    config.write_text(f"stt_batch:\n  port: {port}\n  {CONFIG}")
    environ = {**os.environ, "HER_OS_CACHE_DIR": str(folder / "cache"), "HER_OS_STATE_DIR": str(folder / "state")}
    main = MAIN.replace("daemons.stt ", "daemons.stt_batch ")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", main, str(config), TOKEN, env=environ)
    try:
        async with aiohttp.ClientSession() as http:
            running = Daemon(process, port, config, http)
            async with asyncio.timeout(60):
                while not await _is_ready(running):
                    assert process.returncode is None
                    await asyncio.sleep(0.1)
            worker = await running.worker()
            yield running
            worker = await running.worker()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            psutil.wait_procs([worker], timeout=5)
            assert not worker.is_running(), "its worker went with it"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _is_ready(daemon: Daemon) -> bool:
    try:
        return (await daemon.health())["status"] == "ready"
    except aiohttp.ClientConnectionError:
        return False


def wav(pcm: np.ndarray, rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()


async def test_a_spoken_phrase_comes_back_as_words_with_times(daemon: Daemon) -> None:
    spoken = np.frombuffer(await speak("set a timer for ten minutes"), np.int16)
    rest = np.zeros(16_000, np.int16)
    stereo = np.repeat(np.concatenate((rest, spoken)), 3).repeat(2)  # 48 kHz, both sides alike
    status, body, _ = await daemon.post(
        wav(stereo, 48_000, 2), response_format="verbose_json", timestamp_granularities="word"
    )
    assert status == 200, body
    assert (body["task"], body["language"], body["text"]) == ("transcribe", "en", "set a timer for ten minutes")
    assert body["duration"] == pytest.approx(1 + len(spoken) / 16_000, abs=0.01)
    assert [word["word"] for word in body["words"]] == body["text"].split()
    times = [time for word in body["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0.9 < times[0] < 1.5
    assert "segments" not in body
    status, body, headers = await daemon.post(GOODBYE.read_bytes(), response_format="vtt")
    assert (status, headers["Content-Type"]) == (200, "text/vtt; charset=utf-8")
    assert body.startswith("WEBVTT\n\n00:00:")
    assert body.endswith("\nthank you goodbye\n")


@pytest.mark.parametrize(
    ("sound", "fields", "status", "words"),
    [
        (b"RIFF....not a sound", {}, 400, "not a sound file that can be read"),
        (b"", {}, 400, "empty"),
        (None, {}, 400, "no field `file`"),
        (wav(np.zeros(0)), {}, 400, "holds no sound"),
        (wav(np.zeros(61 * 8000), 8000), {}, 413, "at most 60 s"),
        (bytes(1_048_577), {}, 413, "more than 1 MiB"),
        (wav(np.zeros(1600)), {"language": "de"}, 400, "pocketsphinx knows en, not 'de'"),
        (wav(np.zeros(1600)), {"response_format": "docx"}, 400, "known: json, text, verbose_json, srt, vtt"),
        (wav(np.zeros(1600)), {"timestamp_granularities": "word"}, 400, "needs response_format verbose_json"),
        (wav(np.zeros(1600)), {"stream": "true"}, 400, "stream is not available"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_the_reason(
    daemon: Daemon, sound: bytes | None, fields: dict[str, str], status: int, words: str
) -> None:
    got, body, _ = await daemon.post(sound, **fields)
    assert got == status, body
    assert words in body["error"]["message"]


async def test_strangers_and_bodies_that_are_no_form_are_refused(daemon: Daemon) -> None:
    assert (await daemon.post(GOODBYE.read_bytes(), token="not-the-token-of-anybody"))[0] == 401
    status, body, _ = await daemon.send("/v1/audio/transcriptions", b"{}")
    assert (status, body["error"]["code"]) == (400, "protocol")
    assert (await daemon.send("/v1/reload", b"", token="not-the-token-of-anybody"))[0] == 401


async def test_a_worker_killed_under_a_request_fails_that_one_only(daemon: Daemon) -> None:
    worker = await daemon.worker()
    worker.suspend()
    async with asyncio.TaskGroup() as both:
        struck = both.create_task(daemon.post(GOODBYE.read_bytes()))
        await daemon.until_busy()
        waiting = both.create_task(daemon.post(GOODBYE.read_bytes()))
        worker.kill()
    status, body, headers = struck.result()
    assert (status, body["error"]["code"]) == (503, "worker_crashed")
    assert "was killed" in body["error"]["message"]
    assert "Retry-After" in headers
    assert waiting.result()[:2] == (200, {"text": "thank you goodbye"}), "a fresh worker did it"
    assert (await daemon.health())["restarts"] >= 1


async def test_a_worker_that_hangs_is_ended_and_a_full_line_says_so(daemon: Daemon) -> None:
    worker = await daemon.worker()
    worker.suspend()
    async with asyncio.TaskGroup() as both:
        struck = both.create_task(daemon.post(GOODBYE.read_bytes()))
        await daemon.until_busy()
        waiting = both.create_task(daemon.post(GOODBYE.read_bytes()))
        await daemon.until_waiting(2)
        status, body, headers = await daemon.post(GOODBYE.read_bytes())
        assert (status, body["error"]["code"]) == (429, "capacity")
        assert int(headers["Retry-After"]) > 0
    status, body, _ = struck.result()
    assert (status, body["error"]["code"]) == (504, "worker_hung")
    assert waiting.result()[:2] == (200, {"text": "thank you goodbye"})
    assert not worker.is_running()


async def test_who_leaves_the_line_is_out_of_it(daemon: Daemon) -> None:
    worker = await daemon.worker()
    worker.suspend()
    first = asyncio.create_task(daemon.post(GOODBYE.read_bytes()))
    await daemon.until_busy()
    leaving = asyncio.create_task(daemon.post(GOODBYE.read_bytes()))
    await daemon.until_waiting(2)
    leaving.cancel()
    await asyncio.wait({leaving})
    await daemon.until_waiting(1)
    worker.resume()
    assert (await first)[:2] == (200, {"text": "thank you goodbye"})
    assert (await daemon.worker()).pid == worker.pid
    assert await daemon.metric("her_os_stt_batch_waiting") == 0


async def test_the_worker_reads_its_configuration_anew_and_nothing_else_restarts(daemon: Daemon) -> None:
    before, good = await daemon.worker(), daemon.config.read_text()
    daemon.config.write_text(good + "  engine: ear\n")
    assert (await daemon.send("/v1/reload", b""))[0] == 202
    status, body, _ = await daemon.post(wav(np.zeros(1600)))
    assert (status, body["error"]["code"]) == (503, "not_ready")
    assert "stt_batch.engine: is 'ear'; known engines: faster-whisper" in body["error"]["message"]
    daemon.config.write_text(good)
    assert (await daemon.send("/v1/reload", b""))[0] == 202
    after = await daemon.worker()
    assert (await daemon.post(wav(np.zeros(1600))))[:2] == (200, {"text": ""})
    assert after.pid != before.pid
    assert daemon.process.returncode is None
