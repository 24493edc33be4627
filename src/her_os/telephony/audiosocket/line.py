"""One call over AudioSocket, behind the CallLine contract. Two threads: one reads, one paces what we send."""

from __future__ import annotations

import socket
import threading
import time

from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.call_line import CallerInfo, LineStatistics
from her_os.contracts.errors import ProtocolError
from her_os.telephony.audiosocket.framing import RATES, Deframer, Kind, Message, build
from her_os.telephony.rtp.dtmf import DIGITS, event_codes
from her_os.telephony.stream.line import StreamLine
from her_os.telephony.stream.media import Played

_READ_BYTES = 8_192
_SEND_PATIENCE_S = 0.2
"""A far end that takes nothing for so long has lost these 20 ms; ten in a row, and the call is over."""

_MOST_UNSENT = 10


class AudioSocketLine(StreamLine):
    """Implements CallLine. The call is answered by Asterisk before it comes here. `uuid` is the dialplan's name for it.

    We answer at the rate that the far end speaks (8 kHz until it sends 16), for it plays nothing else.
    """

    def __init__(self, connection: socket.socket, uuid: str, peer: str, rest: Deframer, first: list[Message]) -> None:
        super().__init__(CallerInfo(f"audiosocket:{uuid}", kind="audiosocket"), self._send, codec="SLIN")
        self.uuid = uuid
        self._socket, self._deframer, self._first, self._peer = connection, rest, first, peer
        self._socket.settimeout(_SEND_PATIENCE_S)
        self._rate = 8_000
        self._down, self._up = StreamResampler(CONVERSATION_RATE, 8_000), StreamResampler(8_000, CONVERSATION_RATE)
        self._unsent = 0
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"audiosocket-{self.call_id}", daemon=True)

    # --- CallLine -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Nothing to do: Asterisk has answered."""

    async def send_dtmf(self, digits: str) -> None:
        """AudioSocket carries digits to us only. Raises ProtocolError."""
        event_codes(digits)
        raise ProtocolError("AudioSocket cannot send digits; let the dialplan do it")

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
            if len(digit) == 1 and digit in DIGITS:
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

    def _started(self) -> None:
        self._reader.start()

    def _ending(self, reason: str) -> None:
        self._closing.set()

    def _close(self) -> None:
        super()._close()
        try:
            self._socket.sendall(build(Kind.HANGUP))
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already
        if self._reader.ident is not None:
            self._reader.join()
        self._socket.close()
