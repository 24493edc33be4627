"""Takes recordings from the queue through speech, language and output. Loads no model itself.

What fails is written down and the batch goes on; what is interrupted waits again with what was done of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from her_os.contracts.errors import HerOsError
from her_os.contracts.transcripts import (
    BatchObserver,
    CallFacts,
    LanguageRequest,
    OutputWriter,
    Progress,
    RecordingResult,
    Result,
    SpeechRequest,
    Stage,
    Summary,
    Transcript,
    WorkerRequest,
)
from her_os.transcripts.observers import QuietObserver
from her_os.transcripts.queue import Claim, RecordingQueue
from her_os.transcripts.worker_process import WorkerFailed

log = logging.getLogger(__name__)


class StageRunner(Protocol):
    """Does one stage of one recording: here a worker process; on a cluster some other machine's."""

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        """Raises WorkerFailed, with everything of the worker gone."""
        ...


class Batch:
    """Works off what waits in `queue`, `at_once` recordings at a time.

    `facts` asks the call log about a recording; without, it is no call.
    """

    def __init__(
        self,
        queue: RecordingQueue,
        runner: StageRunner,
        writer: OutputWriter,
        *,
        observer: BatchObserver | None = None,
        facts: Callable[[Path], CallFacts] = lambda _: CallFacts(),
        summarise: bool = True,
        at_once: int = 1,
    ) -> None:
        self._queue, self._runner, self._writer = queue, runner, writer
        self._observer, self._facts, self._summarise = observer or QuietObserver(), facts, summarise
        self._at_once = at_once

    async def run(self, recordings: Sequence[Path]) -> list[RecordingResult]:
        """Process those of `recordings` that wait in the queue, each once, and say what became of all of them.

        Safe to cancel at any moment and to run again, here or in another process at the same time.
        """
        open_ones, results = list(dict.fromkeys(recordings)), list[RecordingResult]()
        total = len(open_ones)
        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(self._at_once, total)):
                lanes.create_task(self._lane(open_ones, total, results), name="lane of the batch")
        for path in open_ones:
            result = self._not_ours(path)
            results.append(result)
            self._observer.finished(result)
        return results

    async def _lane(self, open_ones: list[Path], total: int, results: list[RecordingResult]) -> None:
        """One recording after the other, until none is left that waits."""
        while claim := self._queue.claim(open_ones):
            open_ones.remove(claim.path)
            self._observer.began(claim.path, total - len(open_ones), total)
            result = await self._one(claim)
            results.append(result)
            self._observer.finished(result)

    async def _one(self, claim: Claim) -> RecordingResult:
        began = time.monotonic()
        try:
            result = await self._process(claim)
        except BaseException:  # interrupted
            self._queue.release(claim.path)
            raise
        return msgspec.structs.replace(result, seconds=round(time.monotonic() - began, 3))

    async def _process(self, claim: Claim) -> RecordingResult:
        path, tries = claim.path, claim.failures + 1
        try:
            call = await asyncio.to_thread(self._facts, path)
            transcript = claim.transcript or await self._transcribe(path, call)
            summary = await self._summary_of(transcript, call)
            outputs = await asyncio.to_thread(self._writer.write, transcript, summary)
        except Exception as error:  # noqa: BLE001 - whatever one file does, the batch goes on; `_explain` logs it
            code, reason = _explain(error)
            state = self._queue.fail(path, code, reason)
            log.warning("%s: %s%s", path, reason, "; it is in quarantine now" if state == "quarantined" else "")
            status = "quarantined" if state == "quarantined" else "failed"
            return RecordingResult(source=str(path), status=status, code=code, reason=reason, attempts=tries)
        self._queue.finish(path)
        return RecordingResult(
            source=str(path),
            status="done",
            transcript=transcript,
            summary=summary,
            outputs=tuple(str(output) for output in outputs),
            attempts=tries,
        )

    async def _transcribe(self, path: Path, call: CallFacts) -> Transcript:
        result = await self._stage("speech", path, SpeechRequest(source=str(path), call=call))
        if result.transcript is None:
            raise WorkerFailed("garbage", "the speech worker answered without a transcript", retry=False)
        self._queue.keep(path, result.transcript)
        return result.transcript

    async def _summary_of(self, transcript: Transcript, call: CallFacts) -> Summary:
        """The summary, or an empty one that says why: a transcript is worth having without."""
        if not self._summarise:
            return Summary()
        try:
            request = LanguageRequest(transcript=transcript, call=call)
            result = await self._stage("language", Path(transcript.source), request)
        except HerOsError as error:
            log.warning("%s: no summary: %s", transcript.source, error)
            return Summary(warning=f"no summary: {error}")
        return result.summary or Summary(warning="no summary: the language worker answered without one")

    async def _stage(self, stage: Stage, path: Path, request: WorkerRequest) -> Result:
        """Once more where that can help."""

        def tell(event: Progress) -> None:
            self._observer.progress(path, stage, event)

        try:
            return await self._runner.run(stage, request, tell)
        except WorkerFailed as error:
            if not error.retry:
                raise
            log.warning("%s: the %s worker failed (%s); once more", path, stage, error)
            return await self._runner.run(stage, request, tell)

    def _not_ours(self, path: Path) -> RecordingResult:
        entry = self._queue.entry(path)
        if entry is not None and entry.state == "quarantined":
            return RecordingResult(
                source=str(path), status="quarantined", code=entry.code, reason=entry.reason, attempts=entry.failures
            )
        reason = "done before" if entry is not None and entry.state == "done" else "another run is at it"
        return RecordingResult(source=str(path), status="skipped", reason=reason)


def _explain(error: Exception) -> tuple[str, str]:
    """Code and reason. What nobody expected (a bug of ours) fails this file only, with its traceback in the log."""
    if isinstance(error, HerOsError):
        return error.code, error.message
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return "output", f"{where}{error.strerror or error}"
    log.error("unexpected", exc_info=error)
    return "error", f"{type(error).__name__}: {error}"
