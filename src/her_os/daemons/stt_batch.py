"""The daemon of whole utterances: composition root. A recogniser in a worker process, HTTP, one request at a time."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from her_os.daemons.stt_batch_http import SttBatchHttp
from her_os.daemons.stt_batch_line import BatchLine
from her_os.daemons.stt_batch_metrics import SttBatchMetrics
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.engines.speech_worker_client import SpeechWorker
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings

_MIB = 1 << 20
_FORM_BYTES = 1 << 16
_STOP_S = 0.5


async def main(settings: Settings, secrets: Secrets) -> int:
    """Run until a signal. Returns the exit status."""
    return await build(settings, secrets).run()


def build(settings: Settings, secrets: Secrets) -> HttpDaemon:
    """Wire the daemon. Raises ConfigError for an interpreter that is not there."""
    batch = settings.stt_batch
    worker = SpeechWorker(RecogniserWishes.of(settings, "stt_batch"))
    registry = CollectorRegistry()
    line = BatchLine(worker, max_requests=batch.queue, max_audio_s=batch.max_audio_s, deadline_s=batch.deadline_s)
    metrics = SttBatchMetrics(registry, requests=lambda: line.requests, restarts=lambda: worker.host.restarts)
    http = SttBatchHttp(line, metrics, language=settings.stt.language, max_upload_bytes=batch.max_upload_mb * _MIB)

    async def load() -> str:
        loaded = await asyncio.to_thread(worker.host.start)
        return f"{loaded.engine}, loaded in {loaded.load_ms} ms, at most {batch.queue} requests"

    async def close() -> None:
        await asyncio.to_thread(line.close)

    return HttpDaemon(
        name="her-os-stt-batch",
        host=batch.host,
        port=batch.port,
        token=secrets.stt_token,
        routes=http.routes(),
        load=load,
        loads_ahead=True,
        close=close,
        alive=line.alive,
        details=lambda: {"worker": worker.host.state, "worker_pid": worker.host.pid, "restarts": worker.host.restarts},
        cancel_on_disconnect=True,
        max_body_bytes=batch.max_upload_mb * _MIB + _FORM_BYTES,
        shutdown_s=_STOP_S,
        metrics=registry,
    )
