"""faster-whisper in its worker, for files and for calls, each in a daemon of its own (`./start.sh test --engines`)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import wave
from pathlib import Path

import aiohttp
import psutil
import pytest

from her_os.clients.stt_client import SttClient
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import WorkerCrashed, WorkerHung
from her_os.daemons.stt_batch import build
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.speech_worker_client import SpeechWorker
from her_os.engines.stt_registry import create_stt_engine
from her_os.engines.stt_windows import WindowEngine
from her_os.settings import Secrets, Settings, load_settings
from tests.cli.test_commands import ROOT
from tests.daemons.stt_daemon import TOKEN, running_ears
from tests.e2e.voices import speak
from tests.engines.test_recording_engines import DENTIST, TIMER, Environment, environment  # noqa: F401 - a fixture
from tests.engines.test_stt_windows import finalized, mapped_files
from tests.waiting import until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
SECOND = bytes(2 * CONVERSATION_RATE)


@pytest.fixture
def settings(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    """Both sections, and a torch beside the engine that leaves a mark where it is imported."""
    python, mark = environment("faster-whisper"), tmp_path / "torch-was-imported"
    (tmp_path / "decoy" / "torch").mkdir(parents=True)
    (tmp_path / "decoy" / "torch" / "__init__.py").write_text(f"open({str(mark)!r}, 'w').close()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "decoy"))
    file = tmp_path / "her-os.yaml"
    keys = f"  engine: faster-whisper\n  python: {python}\n  model: {ROOT}/tests/data/tiny-whisper\n"
    file.write_text(f"stt:\n{keys}stt_batch:\n{keys}  port: 0\n")
    return load_settings(file)


def assert_without_torch(worker: SpeechWorker, folder: Path) -> None:
    found = worker.inspect()
    names = {name.partition(".")[0] for name in found.modules}
    assert {"faster_whisper", "ctranslate2"} <= names
    assert "torch" not in names
    assert not (folder / "torch-was-imported").exists()
    assert worker.host.pid is not None
    assert "torch" not in mapped_files(worker.host.pid)
    assert 50 << 20 < found.peak_rss_bytes < 1 << 30


def test_its_worker_never_has_torch_and_comes_back_after_a_crash_and_a_hang(settings: Settings, tmp_path: Path) -> None:
    worker = SpeechWorker(RecogniserWishes.of(settings, "stt_batch"))
    times = {"turn_s": 1.0, "ready_s": 60.0}
    worker.host.start()
    try:
        pcm = SECOND + asyncio.run(speak(TIMER))
        assert [final.text for final in worker.recognise(pcm, "en", deadline_s=60, **times)] == [TIMER]
        assert_without_torch(worker, tmp_path)
        pids = [worker.host.pid]
        psutil.Process(pids[0]).suspend()
        with pytest.raises(WorkerHung):
            worker.recognise(pcm, "en", deadline_s=1, **times)
        [final] = worker.recognise(pcm, "en", deadline_s=60, **times)
        assert final.text == TIMER
        pids.append(worker.host.pid)
        os.kill(pids[1] or -1, 9)
        try:
            [final] = worker.recognise(pcm, "en", deadline_s=60, **times)
        except WorkerCrashed:  # it was asked before its end was noticed
            [final] = worker.recognise(pcm, "en", deadline_s=60, **times)
        assert final.text == TIMER
        assert worker.host.pid not in pids
    finally:
        worker.host.stop()


async def test_a_file_over_http_has_its_words_and_times(settings: Settings) -> None:
    daemon = build(settings, Secrets(TOKEN, *["unused-here-but-long"] * 4))
    running = asyncio.create_task(daemon.run())
    try:
        await until(lambda: daemon.readiness.ready or running.done(), patience_s=120)
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(CONVERSATION_RATE)
            out.writeframes(2 * SECOND + await speak(DENTIST))
        form = aiohttp.FormData({"response_format": "verbose_json", "timestamp_granularities[]": "word"})
        form.add_field("file", io.BytesIO(file.getvalue()), filename="a.wav")
        url = f"http://127.0.0.1:{daemon.port}/v1/audio/transcriptions"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=form, headers={"Authorization": f"Bearer {TOKEN}"}) as response,
        ):
            body = json.loads(await response.text())
            assert response.status == 200, body
        assert body["text"] == DENTIST
        assert [word["word"] for word in body["words"]] == DENTIST.split()
        assert 1.7 < body["words"][0]["start"] < 2.6
    finally:
        daemon.stop.set()
        await asyncio.wait({running})
        assert running.result() == 0


async def test_a_call_is_heard_and_a_killed_worker_costs_no_word(settings: Settings, tmp_path: Path) -> None:
    engine = create_stt_engine(settings)
    assert isinstance(engine, WindowEngine)
    async with running_ears(engine) as ears:
        await asyncio.to_thread(assert_without_torch, engine.worker, tmp_path)
        client = SttClient(ears.settings, TOKEN, "call-1")
        try:
            await client.open()
            first, second = SECOND + await speak(TIMER) + SECOND[:12_800], SECOND + await speak(DENTIST)
            client.push(first, 0)
            final = await client.finalize()
            assert final.text == TIMER
            assert [word.text for word in final.words] == TIMER.split()
            assert 700 < final.words[0].start_ms < 1500
            pid = engine.worker.host.pid
            assert pid is not None
            half = len(second) // 1280 * 640
            client.push(second[:half], len(first) // 2)
            psutil.Process(pid).kill()
            client.push(second[half:], (len(first) + half) // 2)
            assert await finalized(client) == DENTIST
            assert engine.worker.host.pid not in {None, pid}
        finally:
            await client.close()
