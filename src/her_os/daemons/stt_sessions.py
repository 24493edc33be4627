"""Sessions of the engine: a cap, one thread each, and state that is released whatever happens to the socket.

An executor thread cannot be cancelled. So the session's own thread also closes it, behind whatever it still does,
and its slot is given back when that is done: by this session alone, and exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from her_os.contracts.errors import CapacityError, HerOsError, RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, RecognitionSession, SpeechToTextEngine

P = ParamSpec("P")
T = TypeVar("T")

STUCK_S = 10.0
"""An engine call that takes longer than this has hung."""


class EngineSession:
    """One open session, from the event loop's side. Made by `Sessions.open`. Calls are made one after another."""

    def __init__(self, owner: Sessions, executor: ThreadPoolExecutor) -> None:
        self._owner, self._executor = owner, executor
        self._session: RecognitionSession | None = None
        self._released = asyncio.Event()
        self.busy_since: float | None = None

    async def start(self, engine: SpeechToTextEngine, session_id: str, language: str) -> None:
        await self._call(self._open, engine, session_id, language)

    async def accept(self, pcm: bytes) -> Sequence[Partial]:
        """Raises RecognitionError."""
        return await self._call(self._opened().accept, pcm)

    async def finalize(self) -> Final:
        """Raises RecognitionError."""
        return await self._call(self._opened().finalize)

    def release(self) -> None:
        """Free the engine's state and the slot, after what the thread still does. Called once; never blocks."""
        loop = asyncio.get_running_loop()

        def done(_future: Future[None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody counts any more
                loop.call_soon_threadsafe(self._forget)

        self._executor.submit(self._close).add_done_callback(done)
        self._executor.shutdown(wait=False)

    async def wait_released(self) -> None:
        await self._released.wait()

    def _open(self, engine: SpeechToTextEngine, session_id: str, language: str) -> None:
        self._session = engine.open_session(session_id, language)

    def _opened(self) -> RecognitionSession:
        if self._session is None:
            raise RecognitionError("the session is not open")
        return self._session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _forget(self) -> None:
        self._released.set()
        self._owner.forget(self)

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def timed() -> T:
            self.busy_since = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                self.busy_since = None

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, timed)
        except HerOsError:
            raise
        except Exception as error:
            raise RecognitionError(f"the engine failed: {type(error).__name__}: {error}") from error


class Sessions:
    """All sessions of this process. Event loop only."""

    def __init__(self, engine: SpeechToTextEngine, cap: int) -> None:
        self._engine, self.cap = engine, cap
        self._held: set[EngineSession] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def held(self) -> int:
        """Sessions whose state is not yet released."""
        return len(self._held)

    async def open(self, session_id: str, language: str) -> EngineSession:
        """A new session, to be given to `EngineSession.release` by whoever got it.

        Raises CapacityError at the cap, ConfigError for the language, RecognitionError.
        """
        if self.held >= self.cap:
            raise CapacityError(f"all {self.cap} sessions are in use; hang up a call or raise phone.max_calls")
        session = EngineSession(self, ThreadPoolExecutor(1, thread_name_prefix=f"stt-{session_id[:32]}"))
        self._held.add(session)
        self._empty.clear()
        try:
            await session.start(self._engine, session_id, language)
        except BaseException:
            session.release()
            raise
        return session

    def forget(self, session: EngineSession) -> None:
        """The session is released; called by the session."""
        self._held.discard(session)
        if not self._held:
            self._empty.set()

    def alive(self) -> bool:
        """False when an engine call hangs."""
        now = time.monotonic()
        return all(session.busy_since is None or now - session.busy_since < STUCK_S for session in self._held)

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until all are released. False when one still is not after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
