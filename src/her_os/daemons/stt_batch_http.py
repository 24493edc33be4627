"""`POST /v1/audio/transcriptions`, the de-facto standard, and `POST /v1/reload`.

Errors are JSON: 400 for a form or a sound that cannot be used, 408 for an upload that stalls, 413 too large, 429 when
the line is full, 503 while there is no worker or when it crashed under the request, 504 when it hung. 429 and 503 say
when to come again.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from her_os.audio.sound_file import SoundFile, probe
from her_os.contracts.errors import (
    CapacityError,
    ConfigError,
    HerOsError,
    NotReadyError,
    ProtocolError,
    RecognitionError,
    WorkerCrashed,
    WorkerHung,
)
from her_os.daemons.stt_batch_answers import FORMATS, Heard
from her_os.daemons.stt_batch_form import read_form
from her_os.daemons.stt_batch_line import BadSound, BatchLine, TooLong
from her_os.daemons.stt_batch_metrics import SttBatchMetrics

Handler = Callable[[web.Request], Awaitable[web.Response]]
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (TimeoutError, 408),
    (TooLong, 413),
    (ProtocolError, 400),
    (ConfigError, 400),
    (CapacityError, 429),
    (NotReadyError, 503),
    (WorkerCrashed, 503),
    (WorkerHung, 504),
)
_AGAIN_S = {429: "10", 503: "2"}


class SttBatchHttp:
    """Handlers over one line. `language` is used where a request names none."""

    def __init__(self, line: BatchLine, metrics: SttBatchMetrics, *, language: str, max_upload_bytes: int) -> None:
        self._line, self._metrics = line, metrics
        self._language, self._max_upload_bytes = language, max_upload_bytes

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/audio/transcriptions", self._counted(self.transcribe)),
            web.post("/v1/reload", self._counted(self.reload)),
        ]

    async def transcribe(self, request: web.Request) -> web.Response:
        with self._line.place(), tempfile.TemporaryDirectory(prefix="her-os-stt-batch-") as folder:
            file = Path(folder) / "upload"
            form = await read_form(request, file, self._max_upload_bytes)
            arrived = time.monotonic()
            sound = await asyncio.to_thread(_probe, file)
            language = form.language or self._language
            finals = await self._line.recognise(sound, language)
        self._metrics.seconds.observe(time.monotonic() - arrived)
        self._metrics.audio_s.inc(sound.duration_ms / 1000)
        content_type, render = FORMATS[form.response_format]
        body = render(Heard(finals, language, sound.duration_ms, form.granularities))
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    async def reload(self, _request: web.Request) -> web.Response:
        """Answered when the old worker is gone; the new one is loading by then."""
        self._metrics.reloads.inc()
        await self._line.reload()
        return web.json_response({"reloading": True}, status=202)

    def _counted(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            how = "disconnected"
            try:
                response = await handler(request)
            except (HerOsError, TimeoutError) as error:
                response, how = _refusal(error)
            else:
                how = "ok"
            finally:
                if request.path == "/v1/audio/transcriptions":
                    self._metrics.ended.labels(how).inc()
            return response

        return answer


def _probe(file: Path) -> SoundFile:
    try:
        return probe(file)
    except RecognitionError as error:
        raise BadSound(error.message) from error


def _refusal(error: Exception) -> tuple[web.Response, str]:
    """The response, and the error's code."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    code, message = "timeout", "the upload stalled; send the whole form"
    if isinstance(error, ConfigError):
        code, message = error.code, f"{error.field}: {error.complaint}"
    elif isinstance(error, HerOsError):
        code, message = error.code, error.message
    headers = {"Retry-After": _AGAIN_S[status]} if status in _AGAIN_S else {}
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers), code
