"""How a conversation reaches the speech-to-text daemon: one stream a call, which outlives its sessions.

    open -> connected <-> away (reconnecting with backoff; un-finalised audio is said again to the next session)
                |  ^
         cycle  v  |      the session is dropped, 200 ms of grace, a new one, replay from the given sample
              grace

One task owns the socket. Results of a session that was dropped never come out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from her_os.clients.stt_backlog import Backlog
from her_os.clients.stt_link import SttLink, first_to_end
from her_os.clients.stt_socket import SERVICE, connect
from her_os.contracts.errors import AuthError, CancelledTurn, CapacityError, HerOsError, SidecarUnavailable
from her_os.contracts.speech_to_text import Final, Partial
from her_os.settings.schema import SpeechToText

log = logging.getLogger(__name__)

KEPT_S = 30.0
READY_S = 5.0
FINALIZE_S = 3.0
"""Longest wait for a final, on top of the length of the utterance: a recogniser may be as slow as real time."""

_BACKOFF_S, _MOST_BACKOFF_S = 0.1, 2.0


class SttClient:
    """SpeechToTextStream over a WebSocket. Event loop only.

    `finalize` raises CancelledTurn when `cycle` overtakes it. After a failed `finalize` the utterance's audio is
    still un-finalised: it belongs to the next final, unless `cycle` begins later.
    """

    def __init__(self, settings: SpeechToText, token: str, session_id: str, *, finalize_s: float = FINALIZE_S) -> None:
        self._url = f"http://{settings.host}:{settings.port}/v1/stream"
        self._token, self._session_id, self._language = token, session_id, settings.language
        self._grace_s, self._finalize_s = settings.reopen_grace_ms / 1000, finalize_s
        self.on_partial: Callable[[Partial], None] | None = None
        self._backlog = Backlog(KEPT_S)
        self._link: SttLink | None = None
        self._runner: asyncio.Task[None] | None = None
        self._cycling = asyncio.Lock()
        self._cycle = asyncio.Event()
        self._attempt: asyncio.Future[None] | None = None
        self._why_away = "not opened"
        self._next_utterance = 0
        self._worked_since: float | None = None

    @property
    def available(self) -> bool:
        return self._link is not None

    async def open(self) -> None:
        if self._runner is not None:
            return
        self._attempt = asyncio.get_running_loop().create_future()
        self._runner = asyncio.create_task(self._run(), name=f"stt stream {self._session_id}")
        try:
            await self._attempt
        except BaseException:
            await self.close()
            self._runner = None
            raise

    def push(self, pcm: bytes, sample_index: int) -> None:
        self._backlog.push(pcm, sample_index)

    async def finalize(self) -> Final:
        link = self._link
        if link is None:
            raise SidecarUnavailable(SERVICE, self._why_away)
        pending = self._backlog.ask_final()
        try:
            async with asyncio.timeout(self._finalize_s + self._backlog.unfinalised_s):
                return await pending.result
        except TimeoutError as error:
            link.give_up()
            raise SidecarUnavailable(SERVICE, "no final came") from error

    def discard(self) -> None:
        self._backlog.restart_from(self._backlog.audio.end)

    async def cycle(self, replay_from_sample: int) -> None:
        async with self._cycling:
            self._backlog.fail_pending(CancelledTurn("the recogniser's session was cycled"))
            self._backlog.restart_from(replay_from_sample)
            if self._runner is None or self._runner.done():
                raise SidecarUnavailable(SERVICE, self._why_away)
            self._link = None
            self._attempt = asyncio.get_running_loop().create_future()
            self._cycle.set()
            try:
                await self._attempt
            except (CapacityError, AuthError) as error:
                raise SidecarUnavailable(SERVICE, self._why_away) from error

    async def close(self) -> None:
        if self._runner is not None and not self._runner.done():
            self._runner.cancel()
            await asyncio.wait({self._runner})
        self._away(SidecarUnavailable(SERVICE, "the stream is closed"))

    async def _run(self) -> None:
        """The one task that owns the sockets, until it is cancelled."""
        loop, backoff_s = asyncio.get_running_loop(), _BACKOFF_S
        try:
            async with aiohttp.ClientSession() as http:
                while True:
                    self._cycle.clear()
                    self._worked_since = None
                    try:
                        await self._hold_session(http)
                        backoff_s = _BACKOFF_S
                        await asyncio.sleep(self._grace_s)
                    except (SidecarUnavailable, CapacityError, AuthError) as error:
                        # A session that lasted did work; one that audio breaks at once would spin.
                        if self._worked_since is not None and loop.time() - self._worked_since > _MOST_BACKOFF_S:
                            backoff_s = _BACKOFF_S
                        self._away(error)
                        log.warning("%s; trying again in %.1f s", error, backoff_s)
                        await self._pause(backoff_s)
                        backoff_s = min(2 * backoff_s, _MOST_BACKOFF_S)
        finally:
            self._away(SidecarUnavailable(SERVICE, "the stream has ended"))

    async def _hold_session(self, http: aiohttp.ClientSession) -> None:
        """One session; returns when a cycle ends it. Raises SidecarUnavailable, CapacityError, AuthError."""
        async with connect(http, self._url, self._token, self._session_id, self._language, READY_S) as connection:
            link = SttLink(connection, self._backlog, self._next_utterance, self._tell)
            self._arrived(link)
            try:
                await first_to_end(link.run(), self._cycle.wait())
            except (SidecarUnavailable, CapacityError, AuthError):
                if not self._cycle.is_set():
                    raise
            finally:
                self._next_utterance = link.next_utterance

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; a cycle wants it sooner."""
        try:
            async with asyncio.timeout(seconds):
                await self._cycle.wait()
        except TimeoutError:
            pass

    def _arrived(self, link: SttLink) -> None:
        self._link, self._worked_since = link, asyncio.get_running_loop().time()
        self._cycle.clear()  # one that was asked for meanwhile is served by this session
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_result(None)

    def _away(self, error: HerOsError) -> None:
        self._link, self._why_away = None, error.message.removeprefix(f"{SERVICE}: ")
        self._backlog.fail_pending(SidecarUnavailable(SERVICE, self._why_away))
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_exception(error)

    def _tell(self, partial: Partial) -> None:
        if self._link is None or self.on_partial is None:
            return
        try:
            self.on_partial(partial)
        except Exception:
            log.exception("a listener failed; the stream goes on")
