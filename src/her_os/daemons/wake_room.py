"""The room's conversation: a wake opens a call on the phone daemon's line, which ends when the talk has died down.

A call that the phone keeps (a timer runs) rests: no sound leaves the room until the wake word, or the timer, is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable

from her_os.audio.earcon import REFUSED, WOKEN
from her_os.audio.pcm import rms
from her_os.audio.playback import Playback
from her_os.clients.line_client import LineConnection, open_line
from her_os.contracts.errors import HerOsError
from her_os.contracts.line_socket import Flush, Hangup, Mark, Played, StartLine
from her_os.contracts.wake_word import RoomState, WakeWord
from her_os.conversation.room_turns import RoomTurns
from her_os.daemons.wake_metrics import WakeMetrics
from her_os.settings.schema import WakeWord as WakeSettings

log = logging.getLogger(__name__)
_AUDIBLE_RMS = 20.0
_MOST_WAITING = 250
"""Frames that wait for the line to open, or for a slow socket: 5 s."""
_BEHIND = 3
"""Frames that may wait once the line is open."""
_REST_AFTER_S = 2.0
"""A line that the phone keeps open so long after the talk died down rests."""


class Room:
    """Event loop only, but for `on_frame` and `on_wake`, which the ears call on their thread."""

    def __init__(
        self, settings: WakeSettings, url: str, token: str, metrics: WakeMetrics, listen: Callable[[bool], None]
    ) -> None:
        self._settings, self._url, self._token = settings, url, token
        self._metrics, self._set_listening = metrics, listen
        self._loop = asyncio.get_running_loop()
        self._turns = RoomTurns()
        self.playback = Playback(self._mark_passed)
        self._heard: deque[tuple[bytes, bool]] = deque()
        self._outgoing: asyncio.Queue[bytes | Played] = asyncio.Queue()
        self._call: asyncio.Task[None] | None = None
        self._paused = True
        self._line_open = self._resting = False

    @property
    def state(self) -> RoomState:
        return self._turns.state

    def pause(self, paused: bool) -> None:
        """Whether the wake word must not be listened for: the house greets, or is not ready."""
        self._paused = paused
        self._update()

    async def close(self) -> None:
        """End the call."""
        if self._call is not None:
            self._call.cancel()
            await asyncio.wait({self._call})

    # --- from the ears ------------------------------------------------------------------------

    def on_frame(self, pcm: bytes, voiced: bool, _came_at: float) -> None:
        """EARS THREAD."""
        if self._call is not None:
            self._soon(self._frame, pcm, voiced)

    def on_wake(self, found: WakeWord, behind: list[bytes]) -> None:
        """EARS THREAD. `behind`: the frames after the phrase."""
        self._set_listening(False)
        self._soon(self._woken, found, behind)

    def _mark_passed(self, name: str, position: int) -> None:
        """SOUND'S THREAD."""
        self._soon(self._tell, Played(name, position))

    def _soon(self, what: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closing down
            self._loop.call_soon_threadsafe(what, *arguments)

    # --- event loop ---------------------------------------------------------------------------

    def _woken(self, found: WakeWord, behind: list[bytes]) -> None:
        now = time.monotonic()
        if self._turns.state is not RoomState.IDLE or self._paused:
            self._update()
            return
        log.info("heard %r (%.2f)%s", found.phrase, found.score, "; the line was kept" if self._resting else "")
        self._metrics.wakes.inc()
        self._turns.woken(now)
        if self._settings.earcon:
            self.playback.interject(WOKEN)
        self._heard.extend((frame, True) for frame in behind)
        self._resting = False
        if self._call is None:
            self.playback.begin()
            self._call = asyncio.create_task(self._converse(), name="room call")
        self._update()

    def _frame(self, pcm: bytes, voiced: bool) -> None:
        now = time.monotonic()
        if self._call is None:
            return
        if self._resting:
            return
        self._turns.heard(voiced, now)
        self._heard.append((pcm, voiced))
        if max(len(self._heard), self._outgoing.qsize()) > _MOST_WAITING:
            log.error("the phone daemon takes no more sound; the room's call is ended")
            self._call.cancel()
            return
        if self._line_open:
            self._outgoing.put_nowait(self._next_frame())
        if self._turns.quiet_s(now) > self._settings.idle_ms / 1000 + _REST_AFTER_S:
            log.info("the room rests; the line is kept: something is still to come")
            self._resting = True
            self._turns.over(now)
            self._heard.clear()
        self._update()

    def _next_frame(self) -> bytes:
        """One for each that came, so that the line gets them at its pace; pauses are left out of what waits."""
        while len(self._heard) > _BEHIND and not self._heard[0][1]:
            self._heard.popleft()
        return self._heard.popleft()[0]

    def _tell(self, message: Played) -> None:
        if self._call is not None:
            self._outgoing.put_nowait(message)

    def _update(self) -> None:
        self._set_listening(self._turns.state is RoomState.IDLE and not self._paused)

    async def _converse(self) -> None:
        how = "failed"
        try:
            async with open_line(self._url, self._token, StartLine("room", self._settings.room)) as line:
                log.info("call %s from the room", line.call_id)
                self._line_open = True
                how = await self._hold(line)
        except HerOsError as error:
            log.warning("the room's call failed: %s", error)
            self.playback.interject(REFUSED)
        finally:
            self._metrics.conversations.labels(how).inc()
            self._call, self._line_open, self._resting = None, False, False
            self._heard.clear()
            self._outgoing = asyncio.Queue()
            self.playback.begin()
            self._turns.over(time.monotonic())
            self._update()
            log.info("the room's call is over; listening for the wake word")

    async def _hold(self, line: LineConnection) -> str:
        """Until either side ends it. Raises SidecarUnavailable."""
        sending = asyncio.create_task(self._send(line), name="room send")
        receiving = asyncio.create_task(self._receive(line), name="room receive")
        tasks = {sending, receiving}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return "ended"

    async def _send(self, line: LineConnection) -> None:
        while True:
            item = await self._outgoing.get()
            await (line.tell(item) if isinstance(item, Played) else line.send(item))

    async def _receive(self, line: LineConnection) -> None:
        while True:
            message = await line.receive()
            now = time.monotonic()
            match message:
                case bytes():
                    self._play(message, now)
                case Flush():
                    self._tell(Played("flush", self.playback.flush()))
                    self._turns.interrupted(now)
                case Mark(name):
                    self.playback.mark(name)
                case Hangup(reason):
                    log.info("call %s: %s", line.call_id, reason)
                    return
                case _:
                    pass

    def _play(self, pcm: bytes, now: float) -> None:
        audible = rms(pcm) > _AUDIBLE_RMS
        if audible and self._resting:
            self._resting = False
        self._turns.played(audible, now)
        self.playback.write(pcm)
        self._update()
