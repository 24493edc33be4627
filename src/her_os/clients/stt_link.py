"""One session of the recogniser, fed from the backlog: blocks of 100 ms as fast as they are taken, then live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from her_os.clients.stt_backlog import Backlog
from her_os.clients.stt_socket import SERVICE, SttConnection
from her_os.clients.stt_timeline import ResultT, SessionTimeline
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import SidecarUnavailable
from her_os.contracts.speech_to_text import Final, Finalize, Partial

log = logging.getLogger(__name__)

REPLAY_BLOCK_SAMPLES = CONVERSATION_RATE // 10


class SttLink:
    """`run` ends only by an error or by cancellation. `first_utterance` is the stream's number of the session's 0."""

    def __init__(
        self,
        connection: SttConnection,
        backlog: Backlog,
        first_utterance: int,
        on_partial: Callable[[Partial], None],
    ) -> None:
        self._connection, self._backlog, self._on_partial = connection, backlog, on_partial
        self._timeline = SessionTimeline()
        self._cursor = backlog.unfinalised_from
        self._first_utterance = first_utterance
        self._finals_sent = self._finals_received = 0
        self._broken = asyncio.Event()

    @property
    def next_utterance(self) -> int:
        """The number after the utterance that is open here."""
        return self._first_utterance + self._finals_received + 1

    async def run(self) -> None:
        """Send and receive. Raises SidecarUnavailable, CapacityError, AuthError."""
        await first_to_end(self._send(), self._receive(), self._broken.wait())
        raise SidecarUnavailable(SERVICE, "does not answer")

    def give_up(self) -> None:
        """The daemon hangs: end `run`."""
        self._broken.set()

    async def _send(self) -> None:
        while True:
            self._backlog.changed.clear()
            while await self._send_next():
                pass
            await self._backlog.changed.wait()

    async def _send_next(self) -> bool:
        """Send one block, or the finalize that is due. False when there is nothing."""
        unsent = self._finals_sent - self._finals_received
        pending = self._backlog.pending[unsent] if unsent < len(self._backlog.pending) else None
        block = self._backlog.audio.read(self._cursor, REPLAY_BLOCK_SAMPLES, pending and pending.at_sample)
        if block is not None:
            position, pcm = block
            samples = len(pcm) // SAMPLE_WIDTH
            self._timeline.sending(position, samples)
            self._cursor = position + samples
            await self._connection.send_audio(pcm)
        elif pending is not None:
            self._finals_sent += 1
            await self._connection.send(Finalize())
        return block is not None or pending is not None

    async def _receive(self) -> None:
        while True:
            result = await self._connection.receive()
            if isinstance(result, Partial):
                # An utterance that somebody asked to end is over: only the final of it counts.
                if result.utterance == self._finals_received + len(self._backlog.pending):
                    self._on_partial(self._in_call(result))
            elif isinstance(result, Final):
                if result.utterance != self._finals_received or not self._finals_sent > self._finals_received:
                    raise SidecarUnavailable(SERVICE, f"sent a final of utterance {result.utterance} out of turn")
                final = self._in_call(result)
                self._finals_received += 1
                self._backlog.answer(final)

    def _in_call(self, result: ResultT) -> ResultT:
        return self._timeline.in_call_time(result, self._first_utterance + result.utterance)


async def first_to_end(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Run all until one ends; end the others, and raise what any of those that ended raised."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
