"""One call's media: two threads, two sockets, and the seam to the line above (SIP) and the conversation."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time

from her_os.contracts.call_line import FrameTap, LineListener, LineStatistics
from her_os.contracts.errors import CallEnded, ProtocolError
from her_os.telephony.rtp.codecs import CLOCK_RATE, make_encoder
from her_os.telephony.rtp.dtmf import event_codes
from her_os.telephony.rtp.latch import SourceLatch
from her_os.telephony.rtp.media_format import MediaFormat
from her_os.telephony.rtp.media_state import MediaState
from her_os.telephony.rtp.playout import PlayoutQueue
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.protection import MediaKeys, MediaProtection
from her_os.telephony.rtp.receiver import RtpReceiver
from her_os.telephony.rtp.reception import ReceptionStatistics
from her_os.telephony.rtp.rtcp_exchange import RtcpExchange
from her_os.telephony.rtp.sender import DigitRequest, RtpSender
from her_os.telephony.rtp.wire import WireObserver

_UNSET = MediaFormat("PCMU", 0, None, send=False, receive=False)


class RtpSession:
    """Media of one call. Made and configured before the answer, started when the call is up, stopped once.

    The ports are bound by the constructor (raises CapacityError when none is free, ConfigError for a host that is
    not ours). Methods are for the event loop; `playout` is thread-safe. `observer` sees every packet on the wire.
    """

    def __init__(self, bind_host: str, ports: PortPool, *, call_id: str, observer: WireObserver | None = None) -> None:
        pair = ports.open(bind_host)
        ssrc = secrets.randbits(32)
        reception = ReceptionStatistics(CLOCK_RATE)
        # A random CNAME, as RFC 7022 advises: it tells nothing of the house.
        rtcp = RtcpExchange(ssrc, secrets.token_urlsafe(12), reception, time.time() - time.monotonic())
        self._state = MediaState(call_id, pair, SourceLatch(("", 0)), reception, rtcp, _UNSET, observer=observer)
        self.playout = PlayoutQueue()
        self._sender = RtpSender(self._state, self.playout, ssrc)
        self._receiver = RtpReceiver(self._state)
        self._started = False

    @property
    def local_port(self) -> int:
        """The even port to put in the SDP."""
        return self._state.ports.port

    def configure(
        self,
        remote: tuple[str, int],
        codec: str,
        payload_type: int,
        dtmf_payload_type: int | None,
        *,
        send: bool,
        receive: bool,
        ptime_ms: int = 20,
        keys: MediaKeys | None = None,
    ) -> None:
        """Set what offer and answer settled; again at each re-INVITE.

        `remote` is the numeric address of the peer's SDP; one that differs from the last opens the latch anew.
        `codec` is "G722", "PCMU" or "PCMA". Without `send` nothing is sent and the playout stands still; without
        `receive` what comes is dropped. With `keys` packets are protected (SRTP), and only such are taken. Raises
        ProtocolError for another codec or a host that is a name: the media threads must not wait for a resolver.
        """
        make_encoder(codec)
        _require_numeric(remote[0])
        protection = self._state.format.protection
        if keys != (protection.keys if protection else None):
            protection = MediaProtection(keys) if keys else None
        media = MediaFormat(codec, payload_type, dtmf_payload_type, send, receive, ptime_ms, protection)
        with self._state.lock:
            self._state.latch.signal(remote)
            if self._state.format.receive and not receive:
                self._state.jitter.reset()
            self._state.format = media

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """Begin to send and to deliver. From the running event loop, on which the listener will be called."""
        if self._started:
            raise RuntimeError("an RTP session is started once")
        self._started = True
        self._state.loop = asyncio.get_running_loop()
        self._state.listener, self._state.tap = listener, tap
        self._receiver.start()
        self._sender.start()

    async def send_dtmf(self, digits: str) -> None:
        """Send digits as telephone events; returns when the last has been sent.

        Raises ProtocolError for what is no digit, or when the peer takes no events; CallEnded when the session
        stops first.
        """
        event_codes(digits)
        if self._state.closed or not self._started:
            raise CallEnded("there is no call to send digits on")
        if self._state.format.dtmf_payload_type is None:
            raise ProtocolError("the peer did not offer telephone events, so it cannot be sent digits")
        if digits:
            request = DigitRequest(digits, asyncio.get_running_loop().create_future())
            self._sender.request_digits(request)
            await request.done

    def statistics(self) -> LineStatistics:
        """Counters since the start. `extra` names carry their unit; the others count packets, frames or ticks."""
        state, sender = self._state, self._sender
        with state.lock:
            reception, jitter = state.reception, state.jitter
            counters = jitter.counters
            return LineStatistics(
                packets_sent=sender.packets,
                packets_received=reception.received_total,
                packets_lost=reception.lost_total,
                packets_late=counters.late,
                round_trip_ms=(state.rtcp.round_trip_s or 0.0) * 1000,
                jitter_ms=reception.jitter_ms,
                codec=state.format.codec,
                extra={
                    "tick_late_p50_ms": sender.clock.lateness_ms(0.50),
                    "tick_late_p99_ms": sender.clock.lateness_ms(0.99),
                    "tick_late_max_ms": sender.clock.max_late_ms,
                    "packets_sent_late": sender.clock.late,
                    "ticks_skipped": sender.clock.skipped,
                    "tick_overdue_ms": sender.overdue_ms(time.monotonic()),
                    "packets_unsendable": sender.unsendable,
                    "packets_invalid": self._receiver.invalid,
                    "packets_refused": state.latch.refused,
                    "packets_duplicate": counters.duplicate,
                    "frames_concealed": counters.concealed,
                    "frames_dropped": counters.dropped,
                    "frames_inserted": counters.inserted,
                    "frames_overflowed": counters.overflowed,
                    "streams_resynchronised": counters.resynchronised,
                    "jitter_buffer_ms": jitter.depth_ms,
                    "peer_fraction_lost": state.rtcp.peer_fraction_lost,
                    "since_last_packet_ms": (
                        (time.monotonic() - state.t_last_received) * 1000 if state.t_last_received else -1.0
                    ),
                },
            )

    def tell_no_more(self) -> None:
        """Deliver nothing to the listener from now on. `stop` follows."""
        self._state.deaf = True

    def stop(self) -> None:
        """End both threads (within a tick and a packet) and free the ports. Idempotent."""
        if self._state.closed:
            return
        self._state.closed = True
        self._sender.stop()
        self._receiver.stop()
        self._state.ports.close()


def _require_numeric(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ProtocolError(f"media cannot be sent to {host[:80]!r}: not a numeric address") from error
