"""The one synthesis thread: loads the engine, takes turns between sessions, leaves at once when cancelled.

Engines share state inside, so there is exactly one thread. It works piece by piece (`tts_pieces`): within a
session requests are served in order, and after each piece the next session has its turn, so that two calls
interleave. A request whose reader is slow is passed over while more than `buffer_s` seconds wait for it; thus
the thread never blocks inside a synthesis, and waits only where a cancel needs nothing from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import CancelledTurn, CapacityError, HerOsError, NotReadyError, SynthesisError
from her_os.contracts.text_to_speech import TextToSpeechEngine
from her_os.daemons.tts_pipe import PcmPipe

log = logging.getLogger(__name__)

MAX_WAITING = 64
"""Requests that may wait; one more is refused, because nobody will listen to it in time."""

MAX_PIECE_S = 60
"""Audio that no piece of 200 characters can need; an engine that goes on has lost its way."""


class SynthesisJob:
    """One request: pieces to speak, the event that stops it, and where its audio goes.

    `left` is set once the thread has nothing to do with the request any more; `left_at` is the clock's time of
    that moment, taken on the thread.
    """

    def __init__(self, session_id: str, pieces: Sequence[str], voice: str, pcm: PcmPipe) -> None:
        self.session_id, self.voice, self.pcm = session_id, voice, pcm
        self.pieces = deque(pieces)
        self.cancel = threading.Event()
        self.left = asyncio.Event()
        self.left_at = 0.0
        self.samples = self.steps = self.steps_after_cancel = 0


class SynthesisThread:
    """Owns the engine. `load`, `new_job`, `submit`, `stop` and `close` belong to the event loop."""

    def __init__(
        self,
        engine: TextToSpeechEngine,
        *,
        buffer_s: float = 10.0,
        stall_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._buffer_s, self._stall_s, self._clock = buffer_s, stall_s, clock
        self._wake = threading.Condition()
        self._turns: OrderedDict[str, deque[SynthesisJob]] = OrderedDict()
        self._current: SynthesisJob | None = None
        self._closing = False
        self._runaway_bytes = 0
        self._progress_at = clock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, name="synthesis", daemon=True)
        self._loaded: Future[None] = Future()

    async def load(self) -> None:
        """Start the thread and load the engine on it. Raises what the engine's `load` raises."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        await asyncio.wrap_future(self._loaded)

    @property
    def waiting(self) -> int:
        """Requests that have text left to speak."""
        with self._wake:
            return sum(len(jobs) for jobs in self._turns.values())

    def alive(self) -> bool:
        """Whether the thread runs and, while it is inside the engine, has made progress lately."""
        busy = self._current is not None
        return self._thread.is_alive() and not (busy and self._clock() - self._progress_at > self._stall_s)

    def new_job(self, session_id: str, pieces: Sequence[str], voice: str) -> SynthesisJob:
        """A request, not yet submitted. Raises NotReadyError before `load`."""
        if self._loop is None or not self._loaded.done() or self._loaded.exception():
            raise NotReadyError("the voice is still loading; ask /health")
        return SynthesisJob(session_id, pieces, voice, PcmPipe(self._loop, self._nudge))

    def submit(self, job: SynthesisJob) -> None:
        """Queue a request. One without pieces is done at once. Raises CapacityError, NotReadyError."""
        if not job.pieces:
            self._let_go(job, None)
            return
        with self._wake:
            if self._closing or not self._thread.is_alive():
                raise NotReadyError("the synthesis thread is not running")
            if sum(len(jobs) for jobs in self._turns.values()) >= MAX_WAITING:
                raise CapacityError(f"{MAX_WAITING} requests are waiting already; try later")
            self._turns.setdefault(job.session_id, deque()).append(job)
            self._wake.notify()

    def stop(self, job: SynthesisJob) -> bool:
        """End a request: its audio is dropped and its reader told. True: the thread is in it, wait for `left`."""
        with self._wake:
            job.cancel.set()
            running = job is self._current
            queued = not running and self._strike_out(job)
        cancelled = CancelledTurn(f"session {job.session_id} was cancelled")
        job.pcm.drop(cancelled)
        if queued:
            self._let_go(job, cancelled)
        return running

    async def close(self) -> None:
        """End everything and let the thread leave. Safe before `load`, and twice."""
        with self._wake:
            self._closing = True
            jobs = [job for waiting in self._turns.values() for job in waiting]
            self._wake.notify()
        for job in jobs:
            self.stop(job)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, 5.0)
            if self._thread.is_alive():
                log.error("%s did not leave its synthesis within 5 s; the process ends without it", self.engine.name)

    def _nudge(self) -> None:
        """A reader took audio: a request that was passed over may go on."""
        with self._wake:
            self._wake.notify()

    def _strike_out(self, job: SynthesisJob) -> bool:
        """Remove a request from its queue; whether it was there. The lock is held."""
        jobs = self._turns.get(job.session_id)
        if jobs is None or job not in jobs:
            return False
        jobs.remove(job)
        if not jobs:
            del self._turns[job.session_id]
        return True

    def _let_go(self, job: SynthesisJob, failure: Exception | None) -> None:
        """The thread is done with the request. Any thread."""
        assert self._loop is not None
        job.left_at = self._clock()
        job.pcm.end(failure)
        self._loop.call_soon_threadsafe(job.left.set)

    # ---- on the synthesis thread ----

    def _main(self) -> None:
        try:
            self.engine.load()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits `load`
            self._loaded.set_exception(error)
            return
        self._loaded.set_result(None)
        limit = int(self._buffer_s * self.engine.sample_rate) * SAMPLE_WIDTH
        self._runaway_bytes = limit + MAX_PIECE_S * self.engine.sample_rate * SAMPLE_WIDTH
        try:
            while (job := self._next(limit)) is not None:
                self._speak_piece(job)
        finally:
            self.engine.unload()

    def _next(self, limit: int) -> SynthesisJob | None:
        """Wait for a request that may go on. None: closing."""
        with self._wake:
            while not self._closing:
                for jobs in self._turns.values():
                    if jobs[0].pcm.buffered <= limit:
                        self._current = jobs[0]
                        self._progress_at = self._clock()
                        return jobs[0]
                self._wake.wait()
            return None

    def _speak_piece(self, job: SynthesisJob) -> None:
        def emit(pcm: bytes) -> None:
            self._progress_at = self._clock()
            if job.pcm.buffered > self._runaway_bytes:
                raise SynthesisError(f"more than {MAX_PIECE_S} s of audio for one piece of text")
            job.pcm.put(pcm)

        failure: HerOsError | None = None
        try:
            report = self.engine.synthesize(job.pieces.popleft(), job.voice, job.cancel, emit)
            job.samples += report.samples
            job.steps += report.steps
            job.steps_after_cancel += report.steps_after_cancel
        except Exception as error:
            # A new error without the old traceback, whose frames would keep the engine's caches alive.
            failure = SynthesisError(f"{self.engine.name} failed: {error}")
            log.exception("synthesis of session %s failed", job.session_id)
        with self._wake:
            self._current = None
            if job.cancel.is_set():
                failure = CancelledTurn(f"session {job.session_id} was cancelled")
            done = failure is not None or not job.pieces
            if done:
                self._strike_out(job)
            if job.session_id in self._turns:
                self._turns.move_to_end(job.session_id)
        if done:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits for this request
                self._let_go(job, failure)
