"""A phone without a person: dials, speaks, listens, and knows the time of every packet on the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Self

from her_os.contracts.audio import CONVERSATION_RATE, InboundFrame
from her_os.contracts.call_line import LineStatistics
from her_os.contracts.errors import CallEnded
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.sip.calls import SipCall
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import RequestTimeout
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.test_phone.closed_port import nobody_listens
from her_os.telephony.test_phone.media import PhoneMedia
from her_os.telephony.test_phone.wire_log import LoggedPacket, WireLog

_PORTS = (20_000, 29_999)
_LIVE_SAMPLES = CONVERSATION_RATE // 10


@dataclass(frozen=True, slots=True)
class Spoken:
    """One `say` on the wire, in `time.monotonic()`.

    `began` and `ended`: its first and last packets were sent. `onset` and `offset`: its first and last audible
    packets (`audible.AUDIBLE_DBFS`) were sent; the same as the former two where nothing in it was audible.
    """

    began: float
    onset: float
    offset: float
    ended: float


class TestPhone:
    """One phone, one call. Use as `async with TestPhone() as phone: await phone.dial("sip:her@127.0.0.1")`.

    All methods are for the event loop. Times are `time.monotonic()` on the wire (see WirePacket). Whatever waits
    for the assistant raises CallEnded when the call ends first; bound it with `asyncio.timeout`.
    """

    __test__ = False

    def __init__(
        self,
        *,
        codecs: Sequence[str] = ("G722", "PCMU", "PCMA"),
        credentials: Credentials | None = None,
        display_name: str = "",
    ) -> None:
        self._codecs, self._credentials, self._display_name = tuple(codecs), credentials, display_name
        self._agent = UserAgent(contact_user=credentials.username if credentials else "testphone")
        self._call: SipCall | None = None
        self._session: RtpSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._turn = 0
        self._playing: dict[int, asyncio.Future[None]] = {}
        self.log = WireLog(self._wire_news)
        self.answered_at = 0.0
        self.ended_at: float | None = None
        self.ended_reason = ""
        self.digits: list[tuple[float, str]] = []
        """Digits the far end sent, with the time they were heard."""
        self.on_frame_hook: Callable[[InboundFrame], None] | None = None
        """Gets the far end's audio, in order and on time, on the event loop: for a loudspeaker."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    # The call

    async def dial(self, uri: str) -> None:
        """Call a SIP URI; returns when it has answered and media flows.

        Raises CallRefused, RequestTimeout, NotAcceptable, ProtocolError, CapacityError.
        """
        self._loop = asyncio.get_running_loop()
        await self._agent.start()
        destination = await self._agent.destination_of(uri)
        if nobody_listens(*destination):
            raise RequestTimeout(f"nobody listens on {destination[0]}:{destination[1]}/udp")
        host = self._agent.signalling.local_host(destination[0])
        self._session = RtpSession(host, PortPool(*_PORTS), call_id="test-phone", observer=self.log)
        media = PhoneMedia(self._session, host, self._codecs, self, self._ended, self._answered)
        self._call = await self._agent.invite(
            uri, media, credentials=self._credentials, display_name=self._display_name, destination=destination
        )

    def _answered(self) -> None:
        self.answered_at = time.monotonic()

    async def hang_up(self) -> None:
        """End the call and free everything. Idempotent; what was logged stays."""
        if self._call is not None:
            await self._call.bye()
        if self._session is not None:
            self._session.stop()
        await self._agent.stop()
        self._ended("we hung up")

    @property
    def in_call(self) -> bool:
        return self._call is not None and self.ended_at is None

    def statistics(self) -> LineStatistics:
        """The media's counters. Raises CallEnded before `dial`."""
        return self._live_session().statistics()

    def _live_session(self) -> RtpSession:
        if self._session is None:
            raise CallEnded("there was no call")
        return self._session

    # Speaking

    async def say(self, pcm: bytes) -> Spoken:
        """Say 16 kHz PCM after what is being said already; returns when its last sample was sent.

        Cancelling the awaiting task falls silent at once. Raises CallEnded.
        """
        session = self._live_session()
        self._require_call()
        self._turn += 1
        turn, loop = self._turn, asyncio.get_running_loop()
        done = self._playing[turn] = loop.create_future()
        session.playout.write(turn, 0, pcm)
        session.playout.finish(turn, 0)
        first = len(self.log.sent)
        try:
            await done
        finally:
            del self._playing[turn]
            if not done.done() or done.cancelled():
                session.playout.flush(turn)
        return _spoken([packet for packet in self.log.sent[first:] if packet.turn == turn])

    def microphone(self) -> Callable[[bytes], None]:
        """A function that any thread may give 16 kHz PCM to, as it is recorded; `say` must not be used beside it.

        What a faster clock than ours records beyond 100 ms is left out.
        """
        session = self._live_session()
        self._turn += 1
        turn = self._turn

        def speak(pcm: bytes) -> None:
            if session.playout.buffered_samples < _LIVE_SAMPLES:
                session.playout.write(turn, 0, pcm)

        return speak

    async def send_dtmf(self, digits: str) -> None:
        """Press digits; returns when the last was sent. Raises ProtocolError, CallEnded."""
        self._require_call()
        await self._live_session().send_dtmf(digits)

    # Listening

    def audible_packets(self, since: float = 0.0) -> list[LoggedPacket]:
        """The far end's audible packets that arrived after `since`, oldest first."""
        return [packet for packet in self.log.received if packet.at > since and packet.audible]

    async def packets(self) -> AsyncIterator[LoggedPacket]:
        """The far end's packets from now on, as they arrive; ends with the call."""
        at = len(self.log.received)
        while True:
            news = self._news
            while at < len(self.log.received):
                yield self.log.received[at]
                at += 1
            if not self.in_call:
                return
            await news.wait()

    async def wait_for_speech(self, since: float | None = None) -> float:
        """The arrival of the first audible packet after `since` (now, if not given). Raises CallEnded."""
        since = time.monotonic() if since is None else since
        while True:
            news = self._news
            for packet in self.log.received:
                if packet.at > since and packet.audible:
                    return packet.at
            self._require_call()
            await news.wait()

    async def wait_for_silence(self, ms: float) -> float:
        """Wait until nothing was audible for `ms`. Raises CallEnded.

        Returns the arrival of the last audible packet, or the time of the call's answer if there was none.
        """
        while True:
            self._require_call()
            last = next((packet.at for packet in reversed(self.log.received) if packet.audible), self.answered_at)
            left = last + ms / 1000 - time.monotonic()
            if left <= 0:
                return last
            await self.wait_for_news(left)

    async def wait_for_news(self, timeout_s: float | None = None) -> None:
        """Return at the next packet, digit or end of the call, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _require_call(self) -> None:
        if not self.in_call:
            raise CallEnded(self.ended_reason or "the call has not begun")

    # LineListener

    def on_arrival(self, frame: InboundFrame) -> None:
        """Nothing: the wire log has it."""

    def on_frame(self, frame: InboundFrame) -> None:
        if self.on_frame_hook is not None:
            self.on_frame_hook(frame)

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        playing = self._playing.get(turn)
        if playing is not None and not playing.done():
            playing.set_result(None)

    def on_dtmf(self, digit: str) -> None:
        self.digits.append((time.monotonic(), digit))
        self._tell()

    def on_hold(self, held: bool) -> None:
        """Nothing: a held phone hears silence."""

    def on_ended(self, reason: str) -> None:
        self._ended(reason)

    def _ended(self, reason: str) -> None:
        if self.ended_at is None and self._call is not None:
            self.ended_at, self.ended_reason = time.monotonic(), reason
            for playing in self._playing.values():
                if not playing.done():
                    playing.set_exception(CallEnded(reason))
        self._tell()

    def _wire_news(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _spoken(own: list[LoggedPacket]) -> Spoken:
    if not own:
        now = time.monotonic()
        return Spoken(now, now, now, now)
    heard = [packet.at for packet in own if packet.audible] or [own[0].at, own[-1].at]
    return Spoken(own[0].at, heard[0], heard[-1], own[-1].at)
