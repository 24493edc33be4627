"""Stages on other machines, by a Dask cluster that is already there (extra `cluster`): `transcripts.cluster`.

Each stage is one task; the machine that takes it starts a worker process of its own, with its own configuration, and
everything said here about workers holds there. The sound is read from the same path, so the folder is shared between
the machines. Dask moves a task when its machine dies. Its wire is Dask's own (which pickles): it belongs on a network
that is trusted, or behind Dask's TLS.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from her_os.contracts.errors import ConfigError, SidecarUnavailable
from her_os.contracts.transcripts import Failure, Progress, Result, Stage, WorkerEvent, WorkerRequest
from her_os.settings import Settings
from her_os.transcripts.worker_process import WorkerFailed

_LOOK_S = 0.25


class ClusterWorkers:
    """A StageRunner. A task takes `transcripts.cluster_gpus` of the resource `GPU` that workers were started with."""

    def __init__(self, settings: Settings) -> None:
        self._address, gpus = settings.transcripts.cluster, settings.transcripts.cluster_gpus
        self._timeout_s = settings.transcripts.cluster_timeout_s
        self._resources = {"GPU": gpus} if gpus else {}
        try:
            import distributed
        except ModuleNotFoundError as error:
            raise ConfigError(
                "needs Dask, which is not installed here; run pip install 'her-os[cluster]'",
                file=settings.source,
                field="transcripts.cluster",
            ) from error
        logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of each connection that is closed
        self._library: Any = distributed

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        """Raises WorkerFailed, SidecarUnavailable where there is no scheduler."""
        try:
            client = await self._library.Client(
                self._address, asynchronous=True, set_as_default=False, timeout=self._timeout_s
            )
        except (OSError, TimeoutError) as error:
            raise SidecarUnavailable("cluster", f"{self._address} does not answer") from error
        try:
            return await self._run(client, stage, request, on_progress)
        finally:
            await client.close()

    async def _run(
        self, client: Any, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]
    ) -> Result:
        topic = f"her-os-{uuid.uuid4()}"

        def tell(event: tuple[float, bytes]) -> None:
            on_progress(msgspec.msgpack.decode(event[1], type=Progress))

        client.subscribe_topic(topic, tell)
        future = client.submit(
            run_here, stage, msgspec.msgpack.encode(request), topic, key=topic, resources=self._resources, pure=False
        )
        try:
            event = msgspec.msgpack.decode(await future.result(), type=WorkerEvent)
        except self._library.KilledWorker as error:
            raise WorkerFailed("killed", "the machines that took it died", retry=True) from error
        finally:
            client.unsubscribe_topic(topic)
            if not future.done():
                await asyncio.shield(client.cancel(future))  # the machine sees that nobody wants it any more
        if isinstance(event, Failure):
            raise WorkerFailed(event.code, event.message, retry=event.retry)
        if not isinstance(event, Result):
            raise WorkerFailed("garbage", "the other machine answered with something else", retry=True)
        return event


def run_here(stage: Stage, request: bytes, topic: str) -> bytes:
    """A task, on the machine that took it: a worker process of its own, ended when nobody wants its result."""
    import distributed

    worker: Any = distributed.get_worker()
    key: str = worker.get_current_task()
    return asyncio.run(
        _run_here(stage, request, lambda event: worker.log_event(topic, event), lambda: _wanted(worker, key))
    )


async def _run_here(stage: Stage, request: bytes, tell: Callable[[bytes], None], wanted: Callable[[], bool]) -> bytes:
    from her_os.daemons.transcript_batch import WorkerProcesses
    from her_os.settings import load_settings

    decoded = msgspec.msgpack.decode(request, type=WorkerRequest)
    working = asyncio.create_task(
        WorkerProcesses(load_settings()).run(stage, decoded, lambda event: tell(msgspec.msgpack.encode(event)))
    )
    try:
        while not working.done() and wanted():
            await asyncio.wait({working}, timeout=_LOOK_S)
    finally:
        working.cancel()
        await asyncio.wait({working})
    if working.cancelled():
        return msgspec.msgpack.encode(Failure(code="cancelled", message="nobody wants it any more"))
    error = working.exception()
    if isinstance(error, WorkerFailed):
        return msgspec.msgpack.encode(Failure(code=error.code, message=error.message, retry=error.retry))
    return msgspec.msgpack.encode(working.result())


def _wanted(worker: Any, key: str) -> bool:
    """Whether Dask still waits for this task: a cancelled one, or one of a client that is gone, is told apart so."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing"
