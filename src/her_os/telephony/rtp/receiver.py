"""The thread that takes the peer's packets in: latch, decode, tell the listener at once, then the jitter buffer."""

from __future__ import annotations

import threading

from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.arrival_framer import ArrivalFramer
from her_os.telephony.rtp.codecs import STATIC_PAYLOAD_TYPES, Decoder, make_decoder
from her_os.telephony.rtp.dtmf import DtmfReceiver
from her_os.telephony.rtp.latch import Address
from her_os.telephony.rtp.media_state import MediaState
from her_os.telephony.rtp.packet import RtpPacket, is_rtcp, parse_rtp
from her_os.telephony.rtp.sockets import Waiter, favour_this_thread, receive, stamp_arrivals
from her_os.telephony.rtp.wire import WirePacket

_LONGEST_PAYLOAD = 1_600
"""200 ms."""

_BATCH = 32
"""Datagrams read before the other socket and the stop are looked at again."""


class RtpReceiver:
    """Owns the receiving thread of one call. `stop` ends it within a packet's handling."""

    def __init__(self, state: MediaState) -> None:
        self._state = state
        self._dtmf = DtmfReceiver()
        self._framer = ArrivalFramer()
        self._decoder: Decoder | None = None
        self._decoder_type = -1
        self.invalid = 0
        self._waiter = Waiter(state.ports.rtp, state.ports.rtcp)
        self._thread = threading.Thread(target=self._run, name=f"rtp-receive-{state.call_id}", daemon=True)

    def start(self) -> None:
        stamp_arrivals(self._state.ports.rtp)
        self._thread.start()

    def stop(self) -> None:
        """Join the thread. Safe to call when it was never started; once only."""
        self._waiter.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._waiter.close()

    def _run(self) -> None:
        favour_this_thread()
        while (ready := self._waiter.wait()) is not None:
            for sock in ready:
                for _ in range(_BATCH):
                    received = receive(sock)
                    if received is None:
                        break
                    try:
                        self._datagram(*received, on_rtcp_port=sock is self._state.ports.rtcp)
                    except ProtocolError:
                        self.invalid += 1
                    except Exception:  # noqa: BLE001 - the media thread outlives any fault of a listener
                        self._state.complain("a packet could not be handled")

    def _datagram(self, data: bytes, source: Address, now: float, *, on_rtcp_port: bool) -> None:
        state = self._state
        media = state.format
        if on_rtcp_port or is_rtcp(data):
            if state.latch.is_peer_host(source[0]):
                report = media.protection.unprotect(data, is_rtcp=True) if media.protection else data
                state.rtcp.received(report, source, now, multiplexed=not on_rtcp_port)
            return
        packet = parse_rtp(media.protection.unprotect(data, is_rtcp=False) if media.protection else data)
        is_event = packet.payload_type == media.dtmf_payload_type
        codec = media.codec if packet.payload_type == media.payload_type else None
        codec = codec or STATIC_PAYLOAD_TYPES.get(packet.payload_type)
        if not is_event and codec is None:
            self.invalid += 1
            return
        with state.lock:
            if not state.latch.accept(source, packet.ssrc, packet.sequence, now):
                return
            state.reception.packet(packet.ssrc, packet.sequence)
            if codec is not None:
                state.reception.audio(packet.timestamp, now)
        state.t_last_received = now
        if is_event:
            self._event(packet, now)
        elif codec is not None and media.receive and 0 < len(packet.payload) <= _LONGEST_PAYLOAD:
            self._audio(packet, codec, now)

    def _event(self, packet: RtpPacket, now: float) -> None:
        state = self._state
        self._observe(packet, b"", now)
        digit = self._dtmf.receive(packet)
        if digit is not None:
            state.post(lambda listener: listener.on_dtmf(digit))

    def _audio(self, packet: RtpPacket, codec: str, now: float) -> None:
        state = self._state
        if self._decoder is None or packet.payload_type != self._decoder_type:
            self._decoder, self._decoder_type = make_decoder(codec), packet.payload_type
        pcm = self._decoder.decode(packet.payload)
        self._observe(packet, pcm, now)
        with state.lock:
            index = state.jitter.put(packet.ssrc, packet.timestamp, pcm, now)
        if index is None or state.listener is None:
            return
        for frame in self._framer.push(packet.timestamp, len(packet.payload), pcm, index, now):
            state.listener.on_arrival(frame)

    def _observe(self, packet: RtpPacket, pcm: bytes, now: float) -> None:
        if self._state.observer is not None:
            self._state.observer.on_received(
                WirePacket(now, packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc, pcm)
            )
