"""The thread that sends a packet every 20 ms, whatever else happens, and drives the inbound side by the same clock."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from her_os.contracts.audio import InboundFrame
from her_os.contracts.errors import CallEnded
from her_os.telephony.rtp.codecs import CLOCK_RATE, Encoder, make_encoder
from her_os.telephony.rtp.dtmf import DtmfSender, EventPacket
from her_os.telephony.rtp.media_format import MediaFormat
from her_os.telephony.rtp.media_state import MediaState
from her_os.telephony.rtp.packet import RtpPacket, build_rtp
from her_os.telephony.rtp.playout import SILENCE, PlayoutQueue
from her_os.telephony.rtp.sockets import favour_this_thread
from her_os.telephony.rtp.tick_clock import TICK_S, TickClock
from her_os.telephony.rtp.wire import WirePacket

TICK_UNITS = round(CLOCK_RATE * TICK_S)


@dataclass(frozen=True, slots=True)
class DigitRequest:
    """Digits to send; `done` is told, on the event loop, when they have been or cannot be."""

    digits: str
    done: asyncio.Future[None]


class RtpSender:
    """Owns the sending thread of one call."""

    def __init__(self, state: MediaState, playout: PlayoutQueue, ssrc: int) -> None:
        self._state, self._playout, self._ssrc = state, playout, ssrc
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._format: MediaFormat | None = None
        self._encoder: Encoder | None = None
        self._mark = True
        self._dtmf = DtmfSender(tick=TICK_UNITS)
        self._requests: SimpleQueue[DigitRequest] = SimpleQueue()
        self._request: DigitRequest | None = None
        self.clock = TickClock(0.0)
        self.packets = self.octets = self.unsendable = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rtp-send-{state.call_id}", daemon=True)

    def start(self) -> None:
        self.clock = TickClock(time.monotonic())
        self._thread.start()

    def stop(self) -> None:
        """Join the thread (within a tick) and take leave by RTCP. Digits not yet sent end in CallEnded."""
        self._stopping.set()
        if self._thread.ident is None:
            return
        self._thread.join()
        self._report(time.monotonic(), goodbye=True)
        self._fail_requests()

    def overdue_ms(self, now: float) -> float:
        """For how long the thread has owed a packet: milliseconds on a busy machine, ever more when it is stuck."""
        if self._thread.ident is None or self._stopping.is_set():
            return 0.0
        return max(0.0, (now - self.clock.due) * 1000)

    def request_digits(self, request: DigitRequest) -> None:
        """Send digits after those already asked for. Thread-safe."""
        self._requests.put(request)

    def _run(self) -> None:
        favour_this_thread()
        while not self._stopping.wait(max(0.0, self.clock.due - time.monotonic())):
            now = time.monotonic()
            skipped = self.clock.tick(now)
            if skipped:
                self._timestamp += skipped * TICK_UNITS
                self._mark = True
            try:
                self._tick(now)
            except Exception:  # noqa: BLE001 - the line goes on, in silence if need be
                self._state.complain("a tick failed")

    def _tick(self, now: float) -> None:
        state = self._state
        if state.format is not self._format:
            self._adopt(state.format)
        assistant, played = self._send(now) if state.format.send else (SILENCE, [])
        self._timestamp += TICK_UNITS
        frame: InboundFrame | None = None
        if state.format.receive:
            with state.lock:
                frame = state.jitter.pull(now)
        if state.tap is not None:
            state.tap.on_tick(frame.pcm if frame else SILENCE, assistant)
        if frame is not None or played:
            state.post(lambda listener: _tell(listener.on_frame, listener.on_chunk_played, frame, played))
        if state.rtcp.due(now):
            self._report(now)

    def _adopt(self, media: MediaFormat) -> None:
        old, self._format = self._format, media
        if old is None or old.codec != media.codec:
            self._encoder = make_encoder(media.codec)
        if old is None or old.codec != media.codec or not old.send:
            self._mark = True

    def _send(self, now: float) -> tuple[bytes, list[tuple[int, int]]]:
        """One packet: an event where a digit is due, else the assistant or silence. Returns what the peer hears."""
        media = self._state.format
        event = self._next_event(media)
        if event is not None and media.dtmf_payload_type is not None:
            self._put(media.dtmf_payload_type, event.payload, event.timestamp, event.marker, b"", now)
            return SILENCE, []
        pcm, played = self._playout.next_frame(now)
        assert self._encoder is not None
        self._put(media.payload_type, self._encoder.encode(pcm), self._timestamp, self._mark, pcm, now)
        self._mark = False
        return pcm, played

    def _put(self, kind: int, payload: bytes, timestamp: int, marker: bool, pcm: bytes, now: float) -> None:
        state = self._state
        packet = RtpPacket(kind, self._sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, self._ssrc, payload, marker)
        self._sequence += 1
        if state.observer is not None:
            at, turn = time.monotonic(), self._playout.last_turn if pcm else None
            state.observer.on_sent(WirePacket(at, kind, packet.sequence, packet.timestamp, self._ssrc, pcm, turn))
        try:
            data, protection = build_rtp(packet), state.format.protection
            if protection is not None:
                data = protection.protect(data, is_rtcp=False)
            state.ports.rtp.sendto(data, state.latch.remote)
        except OSError:
            # A full buffer or a network that is away for a moment: the next packet is 20 ms off.
            self.unsendable += 1
            return
        self.packets += 1
        self.octets += len(payload)

    def _next_event(self, media: MediaFormat) -> EventPacket | None:
        if media.dtmf_payload_type is None:
            return None
        if self._request is not None and self._dtmf.idle:
            self._settle(self._request, None)
            self._request = None
        if self._request is None:
            try:
                self._request = self._requests.get_nowait()
            except Empty:
                return None
            self._dtmf.queue(self._request.digits)
        return self._dtmf.next_packet(self._timestamp & 0xFFFF_FFFF)

    def _settle(self, request: DigitRequest, error: BaseException | None) -> None:
        def settle() -> None:
            if request.done.done():
                return
            if error is None:
                request.done.set_result(None)
            else:
                request.done.set_exception(error)

        if self._state.loop is not None and not self._state.loop.is_closed():
            self._state.loop.call_soon_threadsafe(settle)

    def _fail_requests(self) -> None:
        waiting = [self._request] if self._request is not None else []
        while not self._requests.empty():
            waiting.append(self._requests.get_nowait())
        for request in waiting:
            self._settle(request, CallEnded("the call ended before all digits were sent"))

    def _report(self, now: float, *, goodbye: bool = False) -> None:
        state = self._state
        with state.lock:
            report = state.rtcp.build(now, self._timestamp, self.packets, self.octets, goodbye=goodbye)
        if state.format.protection is not None:
            report = state.format.protection.protect(report, is_rtcp=True)
        destination, by_rtp_socket = state.rtcp.destination(state.latch.remote)
        try:
            (state.ports.rtp if by_rtp_socket else state.ports.rtcp).sendto(report, destination)
        except OSError:
            self.unsendable += 1


def _tell(
    on_frame: Callable[[InboundFrame], None],
    on_chunk_played: Callable[[int, int], None],
    frame: InboundFrame | None,
    played: list[tuple[int, int]],
) -> None:
    if frame is not None:
        on_frame(frame)
    for turn, chunk in played:
        on_chunk_played(turn, chunk)
