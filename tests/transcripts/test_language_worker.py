"""The language stage as a process, with a scripted llama-server and phone daemon."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from her_os.contracts.transcripts import LanguageRequest, Progress, Result
from her_os.daemons.transcript_batch import WorkerProcesses
from her_os.settings import Settings, load_settings
from her_os.transcripts.worker_process import WorkerFailed
from tests.transcripts.test_summaries import CALL

NOTES = "POINT [00:02] A timer was set.\nTASK [01:01] Call the dentist | Tom | friday\n"


class Servers:
    """llama-server and the phone daemon in one: answers with `notes`; `busy` looks at the line find a call."""

    def __init__(self) -> None:
        self.notes, self.busy, self.asked = NOTES, 0, list[dict[str, object]]()
        self.phone_port = 0

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self._chat), web.get("/v1/calls", self._calls)])
        return app

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        assert self.busy <= 0, "never beside a call"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for content, reason in ((self.notes, None), ("", "stop")):
            event = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": reason}]}
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _calls(self, _request: web.Request) -> web.Response:
        self.busy -= 1
        return web.json_response({"calls": int(self.busy >= 0)})


@pytest_asyncio.fixture
async def servers() -> AsyncIterator[tuple[Servers, int]]:
    """The language model's port; the phone daemon answers at `phone_port` from the same script."""
    scripted = Servers()
    model, phone = TestServer(scripted.application()), TestServer(scripted.application())
    for server in (model, phone):
        await server.start_server()
    assert model.port is not None
    assert phone.port is not None
    scripted.phone_port = phone.port
    yield scripted, model.port
    for server in (model, phone):
        await server.close()


def settings_for(folder: Path, port: int, model: str, phone_port: int) -> Settings:
    config, secrets = folder / "her-os.yaml", Path(os.environ["HER_OS_SECRETS_FILE"])
    config.write_text(
        f"llm: {{model: {model}, port: {port}}}\nphone: {{api_port: {phone_port}}}\n"
        "transcripts: {summary_model_fit: true}\n"
    )
    names = ("STT_TOKEN", "TTS_TOKEN", "LLM_API_KEY", "PHONE_TOKEN", "LOADER_TOKEN")
    secrets.write_text("".join(f"HER_OS_{name}=0123456789abcdef\n" for name in names))
    secrets.chmod(0o600)
    return load_settings(config)


async def summarise(settings: Settings, told: list[Progress] | None = None) -> Result:
    progress = [] if told is None else told
    return await WorkerProcesses(settings).run("language", LanguageRequest(transcript=CALL), progress.append)


async def test_a_fit_model_writes_the_summary_when_no_call_is_on(servers: tuple[Servers, int], tmp_path: Path) -> None:
    scripted, port = servers
    scripted.busy = 2
    told: list[Progress] = []
    summary = (await summarise(settings_for(tmp_path, port, "/models/large.gguf", scripted.phone_port), told)).summary
    assert summary is not None
    assert (summary.kind, [point.text for point in summary.points]) == ("generated", ["A timer was set."])
    assert [(task.what, task.who, task.when) for task in summary.tasks] == [("Call the dentist", "Tom", "friday")]
    assert "wait for the call to end" in {event.step for event in told}
    assert "Priya: tom calls the dentist on friday" in msgspec.json.encode(scripted.asked).decode()


async def test_the_embedded_model_is_never_fit(servers: tuple[Servers, int], tmp_path: Path) -> None:
    scripted, port = servers
    summary = (await summarise(settings_for(tmp_path, port, "embedded", scripted.phone_port))).summary
    assert summary is not None
    assert summary.kind == "extractive"
    assert scripted.asked == []


async def test_babble_and_a_missing_server_are_failures_with_a_reason(
    servers: tuple[Servers, int], tmp_path: Path
) -> None:
    scripted, port = servers
    scripted.notes = "I like trains."
    with pytest.raises(WorkerFailed, match="fit for summaries") as failed:
        await summarise(settings_for(tmp_path, port, "/models/large.gguf", scripted.phone_port))
    assert failed.value.code == "language_model"
    with pytest.raises(WorkerFailed, match="cannot be reached") as failed:
        await summarise(settings_for(tmp_path, 9, "/models/large.gguf", scripted.phone_port))
    assert failed.value.retry
