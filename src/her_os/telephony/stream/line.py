"""What lines over a stream share: a call that is up when it comes, whose media is StreamMedia, and which ends once."""

from __future__ import annotations

import asyncio
import logging
import secrets

from her_os.contracts.call_line import CallerInfo, FrameTap, LineListener, Playout
from her_os.telephony.rtp.playout import PlayoutQueue
from her_os.telephony.stream.media import Send, StreamMedia

log = logging.getLogger(__name__)


class StreamLine:
    """The life of one call, for a CallLine to inherit. Made on the event loop that the listener is called on."""

    def __init__(self, caller: CallerInfo, send: Send, *, codec: str, playout: PlayoutQueue | None = None) -> None:
        self.call_id = secrets.token_hex(6)
        self.caller = caller
        self.ended_reason: str | None = None
        """Why the call is over; None while it is not."""
        self._media = StreamMedia(self.call_id, send, codec=codec, playout=playout)
        self.playout: Playout = self._media.playout
        self._loop = asyncio.get_running_loop()
        self._listener: LineListener | None = None
        self._ended = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """See CallLine. On a call that is over already, `on_ended` follows at once."""
        self._listener = listener
        if self.ended_reason is not None:
            self._loop.call_soon(listener.on_ended, self.ended_reason)
            return
        self._media.start(listener, tap)
        self._started()

    async def hang_up(self, reason: str = "") -> None:
        """See CallLine. Returns when the media has stopped."""
        self._end(reason or "we hung up")
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def wait_ended(self) -> str:
        """Wait until the call is over, from either side; returns why."""
        await self._ended.wait()
        return self.ended_reason or ""

    def _end(self, reason: str) -> None:
        """On the event loop; once."""
        if self.ended_reason is not None:
            return
        self._ending(reason)
        self.ended_reason = reason
        self._media.tell_no_more()
        self._stopping = asyncio.create_task(asyncio.to_thread(self._close), name=f"stop {self.call_id}")
        self._ended.set()
        log.info("call %s over: %s", self.call_id, reason)
        if self._listener is not None:
            self._listener.on_ended(reason)

    # What a line adds.

    def _started(self) -> None:
        """The media runs."""

    def _ending(self, reason: str) -> None:
        """The call is about to be over."""

    def _close(self) -> None:
        """Free what the call holds. In a thread; may block."""
        self._media.stop()
