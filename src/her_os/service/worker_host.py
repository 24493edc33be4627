"""Keeps a worker process alive and asks it things, one at a time: the model is there, its crashes are not here.

    starting --(Loaded)--> ready --(ended, hung, `reload`)--> resting --(delay)--> starting

A request under which the process ends or hangs gets that as its error, and later ones a fresh process. The rest before
a start doubles while processes end without having answered anything. Threads may ask at the same time; they queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from her_os.contracts.errors import (
    CapacityError,
    ConfigError,
    EngineError,
    HerOsError,
    NotReadyError,
    ProtocolError,
    RecognitionError,
    WorkerCrashed,
    WorkerHung,
)
from her_os.contracts.speech_worker import OUT_OF_MEMORY, Loaded, Refused, WorkerAnswer, WorkerRequest
from her_os.service.worker_spawn import SpawnedWorker, WorkerProgram

log = logging.getLogger(__name__)
AnswerT = TypeVar("AnswerT", bound=WorkerAnswer)
_FIRST_REST_S, _LONGEST_REST_S = 0.25, 30.0
_LAST_WORDS_S = 2.0
_GIVEN_UP = 3
"""After so many processes in a row that never became ready the host counts as broken."""
_decode = msgspec.json.Decoder(WorkerAnswer).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class _Life:
    """One process. `answered` counts what it did for us."""

    worker: SpawnedWorker
    loaded: Loaded | None = None
    answered: int = 0
    unwanted: bool = False
    """It is to end although nothing is wrong with it."""
    in_use: threading.Lock = field(default_factory=threading.Lock)
    """Held while it works for somebody: neither a reload nor its burial come between."""


class WorkerHost:
    """All methods may be called from any thread, and block."""

    def __init__(self, program: WorkerProgram) -> None:
        self._program = program
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._life: _Life | None = None
        self._trouble: HerOsError | None = None
        self._wanted = False
        self._hurry = False
        self._keeper: threading.Thread | None = None
        self._stillborn = 0
        self.restarts = 0
        self.busy_since: float | None = None
        """When it was given what it is doing (`time.monotonic()`)."""

    @property
    def pid(self) -> int | None:
        """Of the process that is ready."""
        life = self._ready
        return life.worker.pid if life else None

    @property
    def state(self) -> str:
        """For people: ready, busy, or why it is neither."""
        life, trouble = self._ready, self._trouble
        if life is not None and life.loaded is not None:
            if since := self.busy_since:
                return f"busy for {time.monotonic() - since:.1f} s"
            return f"ready: {life.loaded.engine}, loaded in {life.loaded.load_ms} ms"
        return f"starting; {trouble.message}" if trouble else "starting"

    @property
    def broken(self) -> bool:
        """Whether starting it anew does not help: processes end before they are ready, again and again."""
        return self._stillborn >= _GIVEN_UP

    def start(self, patience_s: float | None = None) -> Loaded:
        """Start the first process and wait until it is ready. Raises ConfigError, EngineError: then nothing is left."""
        self._wanted = True
        # The kernel ends a worker with the thread that started it (see parent_death): that thread lives as long as us.
        self._keeper = threading.Thread(target=self._keep, name=f"{self._program.name} keeper", daemon=True)
        self._keeper.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._trouble or not self._wanted, patience_s)
            life, trouble = self._ready, self._trouble
        if life is not None and life.loaded is not None:
            return life.loaded
        self.stop()
        raise trouble or EngineError(f"{self._program.name} was stopped before its model was loaded")

    def ask(
        self,
        request: WorkerRequest,
        expected: type[AnswerT],
        payload: bytes = b"",
        *,
        deadline_s: float,
        turn_s: float,
        ready_s: float,
    ) -> AnswerT:
        """The answer to a request, at most `deadline_s` after the worker got it.

        Raises CapacityError when others take longer than `turn_s`, NotReadyError when no worker is ready within
        `ready_s`, WorkerCrashed, WorkerHung, and what the worker refuses as ConfigError or RecognitionError.
        """
        if not self._turn.acquire(timeout=turn_s):
            raise CapacityError(f"{self._program.name} is busy with others; try again later")
        try:
            with self._ready_life(ready_s) as life:
                answer = self._exchange(life, request, payload, time.monotonic() + deadline_s)
        finally:
            self._turn.release()
        if isinstance(answer, Refused):
            raise refusal(answer)
        if not isinstance(answer, expected):
            raise WorkerCrashed(f"{self._program.name} answered {type(answer).__name__} to {type(request).__name__}")
        return answer

    def reload(self) -> None:
        """End the process after what it is doing, and start one that reads configuration and model anew."""
        with self._changed:
            self._hurry, self._trouble, self._stillborn = True, None, 0
            life = self._life
            self._changed.notify_all()
        if life is not None:
            with life.in_use, self._changed:
                if self._life is life:
                    life.unwanted, self._life = True, None
                    life.worker.kill()

    def stop(self) -> None:
        """End the process, whatever it is doing. Idempotent."""
        with self._changed:
            self._wanted = False
            if self._life is not None:
                self._life.unwanted = True
                self._life.worker.kill()
            self._changed.notify_all()
        if self._keeper is not None:
            self._keeper.join()

    @property
    def _ready(self) -> _Life | None:
        life = self._life
        return life if life is not None and life.loaded is not None else None

    @contextmanager
    def _ready_life(self, ready_s: float) -> Generator[_Life]:
        """The process that is ready, ours until we leave."""
        until = time.monotonic() + ready_s
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ready or self._trouble or not self._wanted, max(0.0, until - time.monotonic())
                )
                life = self._ready
            if life is None or not self._wanted:
                raise NotReadyError(f"{self._program.name} is {self.state}; try again in a moment")
            with life.in_use:
                if self._life is life:  # no reload came between
                    yield life
                    return

    def _exchange(self, life: _Life, request: WorkerRequest, payload: bytes, deadline_s: float) -> WorkerAnswer:
        name = self._program.name
        self.busy_since = time.monotonic()
        try:
            life.worker.frames.send(_encode(request), payload, deadline_s)
            answer = _receive(life, deadline_s)
        except TimeoutError as error:
            life.worker.kill()
            self._end(life)
            raise WorkerHung(f"{name} did not answer in time and was ended; a fresh one is being started") from error
        except (OSError, ProtocolError) as error:
            raise WorkerCrashed(f"{name} {self._end(life)}; a fresh one is being started") from error
        finally:
            self.busy_since = None
        life.answered += 1
        if isinstance(answer, Refused) and answer.code == OUT_OF_MEMORY:
            self._end(life)
        return answer

    def _end(self, life: _Life) -> str:
        """Nobody asks this process again. Returns how it ended; one that still runs is killed."""
        with self._changed:
            if self._life is life:
                self._life = None
        return life.worker.ended_how(_LAST_WORDS_S)

    def _keep(self) -> None:
        """One life after the other, until `stop`."""
        bad = 0
        while self._wanted:
            try:
                life = self._live()
            except OSError as error:
                self._report(EngineError(f"{self._program.name} cannot be started: {error}"))
                life = None
            bad = 0 if life is not None and (life.answered or life.unwanted) else bad + 1
            with self._changed:
                if self._wanted and not self._hurry:
                    self._changed.wait_for(lambda: self._hurry or not self._wanted, rest_s(bad))
                self._hurry = False
                if self._wanted:
                    self.restarts += 1

    def _live(self) -> _Life:
        """Start a process, get it ready, and return when it has ended."""
        life = _Life(SpawnedWorker(self._program))
        try:
            with self._changed:
                self._life = life
                if not self._wanted:
                    return life
            self._load(life)
            life.worker.wait()
            if not life.unwanted:
                log.error("%s %s", self._program.name, life.worker.ended_how(_LAST_WORDS_S))
        finally:
            with self._changed:
                if self._life is life:
                    self._life = None
            with life.in_use:
                life.worker.close()
        return life

    def _load(self, life: _Life) -> None:
        """Wait until it says that it is ready; what hinders it becomes `_trouble`."""
        name = self._program.name
        try:
            answer = _receive(life, time.monotonic() + self._program.load_s)
        except TimeoutError:
            self._report(EngineError(f"{name} was not ready after {self._program.load_s:g} s"), life)
        except (OSError, ProtocolError):
            how = life.worker.ended_how(_LAST_WORDS_S)
            self._report(EngineError(f"{name} {how} while it loaded its model"), life)
        else:
            if isinstance(answer, Loaded):
                with self._changed:
                    life.loaded, self._trouble, self._stillborn = answer, None, 0
                    self._changed.notify_all()
                log.info("%s is ready (pid %d, %s, %d ms)", name, life.worker.pid, answer.engine, answer.load_ms)
                return
            self._report(refusal(answer) if isinstance(answer, Refused) else EngineError(f"{name}: {answer}"), life)
        life.worker.kill()

    def _report(self, trouble: HerOsError, life: _Life | None = None) -> None:
        if life is not None and life.unwanted:
            return
        log.error("%s", trouble)
        with self._changed:
            self._trouble = trouble
            self._stillborn += 1
            self._changed.notify_all()


def rest_s(bad_lives: int) -> float:
    """The pause before a start, after so many lives in a row that were good for nothing."""
    return min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(bad_lives, 16))


def refusal(answer: Refused) -> HerOsError:
    """What a worker refused, as the error it was there."""
    if answer.code == ConfigError.code:
        return ConfigError(answer.message, file=answer.file, field=answer.field)
    error = RecognitionError(answer.message)
    error.code = answer.code
    return error


def _receive(life: _Life, deadline_s: float) -> WorkerAnswer:
    """Raises TimeoutError, ProtocolError, OSError (ConnectionError at the end of the stream)."""
    frame = life.worker.frames.receive(deadline_s)
    if frame is None:
        raise ConnectionResetError("the end of the stream")
    try:
        return _decode(frame[0])
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"garbage instead of an answer ({error})") from error
