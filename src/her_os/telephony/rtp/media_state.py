"""What the two media threads and the event loop share of a call, and the lock around it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from her_os.audio.jitter_buffer import JitterBuffer
from her_os.contracts.call_line import FrameTap, LineListener
from her_os.telephony.rtp.latch import SourceLatch
from her_os.telephony.rtp.media_format import MediaFormat
from her_os.telephony.rtp.ports import PortPair
from her_os.telephony.rtp.reception import ReceptionStatistics
from her_os.telephony.rtp.rtcp_exchange import RtcpExchange
from her_os.telephony.rtp.wire import WireObserver

logger = logging.getLogger(__name__)


@dataclass
class MediaState:
    """`lock` guards `latch`, `jitter` and `reception`; `format` is replaced as a whole and read without it."""

    call_id: str
    ports: PortPair
    latch: SourceLatch
    reception: ReceptionStatistics
    rtcp: RtcpExchange
    format: MediaFormat
    jitter: JitterBuffer = field(default_factory=JitterBuffer)
    lock: threading.Lock = field(default_factory=threading.Lock)
    loop: asyncio.AbstractEventLoop | None = None
    listener: LineListener | None = None
    tap: FrameTap | None = None
    observer: WireObserver | None = None
    t_last_received: float = 0.0
    closed: bool = False
    deaf: bool = False
    """The listener has been told of the end, so of nothing else."""
    _complaints: int = 0

    def complain(self, what: str) -> None:
        """Log the exception at hand; a fault that returns fifty times a second is told three times."""
        self._complaints += 1
        if self._complaints <= 3:
            logger.exception("call %s: %s", self.call_id, what)

    def post(self, tell: Callable[[LineListener], None]) -> None:
        """From a media thread: call `tell` with the listener on the event loop, unless the session has closed."""

        def deliver() -> None:
            if not self.closed and not self.deaf and self.listener is not None:
                tell(self.listener)

        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing down, and with it the call
                self.loop.call_soon_threadsafe(deliver)
