"""One call over AudioSocket, behind the CallLine contract. Two threads: one reads, one paces what we send."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import threading
import time

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.call_line import CallerInfo, FrameTap, LineListener, LineStatistics, Playout
from her_os.contracts.errors import ProtocolError
from her_os.telephony.audiosocket.framing import RATES, Deframer, Kind, Message, build
from her_os.telephony.rtp.dtmf import event_codes
from her_os.telephony.stream.media import Played, StreamMedia

log = logging.getLogger(__name__)
_READ_BYTES = 8_192
_SEND_PATIENCE_S = 0.2
"""A far end that takes nothing for so long has lost these 20 ms; ten in a row, and the call is over."""

_MOST_UNSENT = 10
_DIGITS = "0123456789*#ABCD"


class AudioSocketLine:
    """Implements CallLine. The call is answered by Asterisk before it comes here. `uuid` is the dialplan's name for it.

    We answer at the rate that the far end speaks (8 kHz until it sends 16), for it plays nothing else.
    """

    def __init__(self, connection: socket.socket, uuid: str, peer: str, rest: Deframer, first: list[Message]) -> None:
        self.call_id = secrets.token_hex(6)
        self.uuid = uuid
        self.caller = CallerInfo(f"audiosocket:{uuid}", kind="audiosocket")
        self.ended_reason: str | None = None
        self._media = StreamMedia(self.call_id, self._send, codec="SLIN")
        self.playout: Playout = self._media.playout
        self._socket, self._deframer, self._first, self._peer = connection, rest, first, peer
        self._socket.settimeout(_SEND_PATIENCE_S)
        self._rate = 8_000
        self._down, self._up = StreamResampler(CONVERSATION_RATE, 8_000), StreamResampler(8_000, CONVERSATION_RATE)
        self._unsent = 0
        self._listener: LineListener | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"audiosocket-{self.call_id}", daemon=True)
        self._stopping: asyncio.Task[None] | None = None

    # --- CallLine -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Nothing to do: Asterisk has answered."""

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """See CallLine. On a call that is over already, `on_ended` follows at once."""
        self._listener = listener
        if self.ended_reason is not None:
            self._loop.call_soon(listener.on_ended, self.ended_reason)
            return
        self._media.start(listener, tap)
        self._reader.start()

    async def send_dtmf(self, digits: str) -> None:
        """AudioSocket carries digits to us only. Raises ProtocolError."""
        event_codes(digits)
        raise ProtocolError("AudioSocket cannot send digits; let the dialplan do it")

    async def hang_up(self, reason: str = "") -> None:
        """See CallLine. Returns when both threads have ended."""
        self._end(reason or "we hung up")
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def wait_ended(self) -> str:
        """Wait until the call is over, from either side; returns why."""
        await self._ended.wait()
        return self.ended_reason or ""

    def statistics(self) -> LineStatistics:
        """See CallLine."""
        return self._media.statistics(packets_unsendable=self._unsent)

    # --- threads ------------------------------------------------------------------------------

    def _send(self, pcm: bytes, played: Played) -> None:
        """20 ms, on the media thread."""
        kind, payload = (Kind.SLIN16, pcm) if self._rate == CONVERSATION_RATE else (Kind.SLIN, self._down.process(pcm))
        try:
            self._socket.sendall(build(kind, payload))
            self._unsent = 0
        except TimeoutError:
            self._unsent += 1
            if self._unsent >= _MOST_UNSENT:
                self._tell_end("the far end takes no more sound")
        except OSError:
            self._tell_end("the far end hung up")
        self._media.chunk_played(played)

    def _read(self) -> None:
        reason = "the far end hung up"
        try:
            messages = self._first
            while not self._closing.is_set():
                for message in messages:
                    if message.kind in (Kind.HANGUP, Kind.ERROR):
                        return self._tell_end(reason if message.kind == Kind.HANGUP else "Asterisk reports an error")
                    self._take(message, time.monotonic())
                data = self._receive()
                if data == b"":
                    break
                messages = self._deframer.push(data) if data else []
        except ProtocolError as error:
            reason = error.message
        except OSError:
            pass
        return self._tell_end(reason)

    def _receive(self) -> bytes | None:
        """Bytes, b'' at the end of the stream, None when nothing came for a while."""
        try:
            return self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return None

    def _take(self, message: Message, now: float) -> None:
        if message.kind == Kind.DTMF:
            digit = message.payload.decode("ascii", "replace").upper()
            if len(digit) == 1 and digit in _DIGITS:
                self._media.tell(lambda listener: listener.on_dtmf(digit))
        elif message.kind in RATES and len(message.payload) % 2 == 0:
            self._rate = RATES[Kind(message.kind)]
            self._media.codec = "SLIN16" if self._rate == CONVERSATION_RATE else "SLIN"
            pcm = message.payload if self._rate == CONVERSATION_RATE else self._up.process(message.payload)
            self._media.received(pcm, now)

    # --- the end ------------------------------------------------------------------------------

    def _tell_end(self, reason: str) -> None:
        if not self._closing.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end, reason)

    def _end(self, reason: str) -> None:
        """On the event loop; once."""
        if self.ended_reason is not None:
            return
        self.ended_reason = reason
        self._media.tell_no_more()
        self._closing.set()
        self._stopping = asyncio.create_task(asyncio.to_thread(self._close), name=f"stop {self.call_id}")
        self._ended.set()
        log.info("call %s over: %s", self.call_id, reason)
        if self._listener is not None:
            self._listener.on_ended(reason)

    def _close(self) -> None:
        self._media.stop()
        try:
            self._socket.sendall(build(Kind.HANGUP))
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already
        if self._reader.ident is not None:
            self._reader.join()
        self._socket.close()
