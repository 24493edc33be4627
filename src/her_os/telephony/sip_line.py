"""A phone call as the conversation sees it: a SIP call joined with its RTP session, behind the CallLine contract."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import secrets
from collections.abc import Callable, Sequence

from her_os.contracts.call_line import CallerInfo, FrameTap, LineListener, LineStatistics, Playout
from her_os.contracts.errors import CallEnded
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.sip.calls import CallState, SipCall
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.message import SipResponse
from her_os.telephony.sip.negotiation import AudioSession, Negotiator
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
DEFAULT_CODECS = ("G722", "PCMU", "PCMA")
_DTMF_RELAY = re.compile(rb"signal\s*=\s*([0-9*#A-D])", re.IGNORECASE)
_DTMF_PLAIN = re.compile(rb"\s*([0-9*#A-D])\s*\Z", re.IGNORECASE)


class SipLine:
    """One SIP call with its media. Implements CallLine for the conversation and CallMedia for the call.

    A callee's line rings until `answer` or `reject`; then `start`. A caller's line comes answered from `place_call`.
    `call_id` is our own short name of the call, safe in URLs; the SIP Call-ID stays inside the dialog.
    """

    def __init__(self, call_id: str, caller: CallerInfo, rtp: RtpSession, negotiator: Negotiator) -> None:
        self.call_id, self.caller = call_id, caller
        self.playout: Playout = rtp.playout
        self.ended_reason: str | None = None
        """Why the call is over; None while it is not."""
        self._rtp, self._negotiator = rtp, negotiator
        self._call: SipCall | None = None
        self._listener: LineListener | None = None
        self._session: AudioSession | None = None
        self._answer = b""
        self._holding = False
        self._ended = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    @classmethod
    def ringing(
        cls,
        call: SipCall,
        caller: CallerInfo,
        ports: PortPool,
        bind_host: str,
        codecs: Sequence[str],
        *,
        secure: bool = False,
    ) -> SipLine:
        """The callee's line for a call that has just come in; its media ports are bound, nothing is sent yet.

        Raises CapacityError (no media port), NotAcceptable and ProtocolError (the offer).
        """
        call_id = secrets.token_hex(6)
        rtp = RtpSession(bind_host, ports, call_id=call_id)
        line = cls(call_id, caller, rtp, Negotiator(call.local_host, rtp.local_port, codecs, secure=secure))
        line._call = call
        try:
            if call.invite.body:
                line._answer = line.answer_offer(call.invite.body)
        except BaseException:
            rtp.stop()
            raise
        call.media = line
        return line

    @property
    def codec(self) -> str:
        """The codec in use; empty before there is one."""
        return self._session.codec if self._session else ""

    @property
    def media_port(self) -> int:
        """The UDP port our side receives sound on; the one above takes RTCP."""
        return self._rtp.local_port

    @property
    def answered(self) -> bool:
        """Whether the call is up."""
        return self._call is not None and self._call.state in (CallState.ANSWERED, CallState.CONFIRMED)

    # --- CallLine -----------------------------------------------------------------------------

    async def answer(self) -> None:
        """Accept a ringing call. Returns when the 200 is on its way. Raises CallEnded when the caller has gone."""
        call = self._live_call()
        if self._answer:
            call.answer(self._answer)
        else:
            call.answer(self._negotiator.offer(), is_offer=True)
        log.info("call %s answered (%s)", self.call_id, self.codec or "codec to be settled by the caller")

    def reject(self, refusal: Refusal) -> None:
        """Refuse a ringing call."""
        if self._call is not None:
            self._call.reject(refusal)

    def start(self, listener: LineListener, tap: FrameTap | None = None) -> None:
        """See CallLine. On a call that is over already, `on_ended` follows at once."""
        self._listener = listener
        if self.ended_reason is not None:
            asyncio.get_running_loop().call_soon(listener.on_ended, self.ended_reason)
            return
        self._rtp.start(listener, tap)
        if self._session is not None and self._session.held:
            listener.on_hold(True)

    async def send_dtmf(self, digits: str) -> None:
        """See CallLine: RFC 4733 events where the far end takes them, SIP INFO where not."""
        if self._session is None or self._session.dtmf_payload_type is not None:
            await self._rtp.send_dtmf(digits)
            return
        for digit in digits:
            await self._live_call().info("application/dtmf-relay", f"Signal={digit}\r\nDuration=160\r\n".encode())

    async def hang_up(self, reason: str = "") -> None:
        """See CallLine. Returns when media has stopped and the far end has answered our BYE, or after 2 s without."""
        if self._call is not None:
            await self._call.bye(reason)
        await self.closed()

    def statistics(self) -> LineStatistics:
        """See CallLine."""
        return self._rtp.statistics()

    # --- what only a SIP line can -------------------------------------------------------------

    async def hold(self) -> None:
        """Put the far end on hold. Raises CallRefused, RequestTimeout, CallEnded; the call is then as it was."""
        await self._offer_hold(True)

    async def resume(self) -> None:
        """Take the far end back. Raises as `hold`."""
        await self._offer_hold(False)

    async def _offer_hold(self, hold: bool) -> None:
        before, self._holding = self._holding, hold
        try:
            await self._live_call().reinvite()
        except BaseException:
            self._holding = before
            raise

    async def transfer(self, target: str) -> None:
        """Put the far end through to `target` (a SIP URI), blindly. Raises as `SipCall.transfer`."""
        await self._live_call().transfer(target)

    async def probe(self) -> bool:
        """Whether the far end still has this call; ends the call when it has not."""
        return await self._live_call().probe()

    async def wait_ended(self) -> str:
        """Wait until the call is over, from either side; returns why."""
        await self._ended.wait()
        return self.ended_reason or ""

    async def closed(self) -> None:
        """Wait until the call is over and its threads and ports are free."""
        await self._ended.wait()
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    def _live_call(self) -> SipCall:
        if self._call is None or self._call.state is CallState.ENDED:
            raise CallEnded(self.ended_reason or "the call is over")
        return self._call

    # --- CallMedia ----------------------------------------------------------------------------

    def make_offer(self) -> bytes:
        """See CallMedia."""
        return self._negotiator.offer(hold=self._holding)

    def answer_offer(self, offer: bytes) -> bytes:
        """See CallMedia."""
        answer, session = self._negotiator.answer(offer)
        self._configure(session)
        return answer

    def accept_answer(self, answer: bytes) -> None:
        """See CallMedia."""
        self._configure(self._negotiator.accept(answer))

    def on_info(self, content_type: str, body: bytes) -> bool:
        """See CallMedia: digits of phones that send them in the signalling."""
        pattern = {"application/dtmf-relay": _DTMF_RELAY, "application/dtmf": _DTMF_PLAIN}.get(content_type)
        found = pattern.search(body) if pattern else None
        if found and self._listener is not None:
            self._listener.on_dtmf(found[1].decode().upper())
        return pattern is not None

    def on_call_ended(self, reason: str) -> None:
        """See CallMedia."""
        self.ended_reason = reason
        self._rtp.tell_no_more()
        self._stopping = asyncio.create_task(asyncio.to_thread(self._rtp.stop), name=f"stop media of {self.call_id}")
        self._ended.set()
        if self._listener is None:
            log.info("call %s over before it began: %s", self.call_id, reason)
        else:
            self._listener.on_ended(reason)

    async def abandon(self) -> None:
        """Free the media of a line whose call never came about."""
        self._rtp.stop()
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    def attach(self, call: SipCall) -> None:
        """The caller's side: the call this line belongs to."""
        self._call = call

    def _configure(self, session: AudioSession) -> None:
        """Bring the media to what was agreed. While held, what the far end plays (music) is not the caller."""
        before, self._session = self._session, session
        self._rtp.configure(
            self._media_address(session, before),
            session.codec,
            session.payload_type,
            session.dtmf_payload_type,
            send=session.send,
            receive=session.receive and not session.held,
            ptime_ms=session.ptime_ms,
            keys=session.keys,
        )
        if before is not None and before.held != session.held:
            log.info("call %s %s", self.call_id, "on hold" if session.held else "resumed")
            if self._listener is not None:
                self._listener.on_hold(session.held)

    def _media_address(self, session: AudioSession, before: AudioSession | None) -> Address:
        """The far end's RTP address: numeric, and not the 0.0.0.0 of an old style hold."""
        host, port = session.remote
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return (self._call.peer[0] if self._call else "127.0.0.1", port)
        if address.is_unspecified and before is not None:
            return before.remote
        return host, port


class OutgoingCall:
    """A call of ours before it is placed: its `line` exists, its media ports are bound. Then `place`, or `abandon`.

    Raises CapacityError when no media port is free.
    """

    def __init__(
        self,
        agent: UserAgent,
        target: str,
        destination: Address,
        ports: PortPool,
        *,
        bind_host: str = "0.0.0.0",  # noqa: S104 - media must reach us from the peer's network
        codecs: Sequence[str] = DEFAULT_CODECS,
        caller: CallerInfo | None = None,
        secure: bool = False,
    ) -> None:
        call_id = secrets.token_hex(6)
        rtp = RtpSession(bind_host, ports, call_id=call_id)
        host = agent.signalling.local_host(destination[0])
        negotiator = Negotiator(host, rtp.local_port, codecs, secure=secure)
        self.line = SipLine(call_id, caller or CallerInfo(uri=target), rtp, negotiator)
        self._agent, self._target, self._destination = agent, target, destination

    async def place(
        self,
        *,
        credentials: Credentials | None = None,
        display_name: str = "",
        on_progress: Callable[[SipResponse], None] | None = None,
    ) -> None:
        """Call, and return when it is answered. Cancelling the task sends CANCEL. A call that fails is abandoned.

        Raises CallRefused, RequestTimeout, NotAcceptable, ProtocolError.
        """
        try:
            call = await self._agent.invite(
                self._target,
                self.line,
                credentials=credentials,
                display_name=display_name,
                destination=self._destination,
                on_progress=on_progress,
            )
        except BaseException:
            await self.abandon()
            raise
        self.line.attach(call)

    async def abandon(self) -> None:
        """Free the media ports of a call that is not placed after all."""
        await self.line.abandon()


async def place_call(
    agent: UserAgent,
    target: str,
    ports: PortPool,
    *,
    bind_host: str = "0.0.0.0",  # noqa: S104 - media must reach us from the peer's network
    codecs: Sequence[str] = DEFAULT_CODECS,
    credentials: Credentials | None = None,
    display_name: str = "",
    on_progress: Callable[[SipResponse], None] | None = None,
    secure: bool = False,
) -> SipLine:
    """Call `target` (a SIP URI) and return the answered line, ready to `start`. Cancelling the task sends CANCEL.

    Raises CallRefused, RequestTimeout, NotAcceptable, ProtocolError, CapacityError.
    """
    destination = await agent.destination_of(target)
    call = OutgoingCall(agent, target, destination, ports, bind_host=bind_host, codecs=codecs, secure=secure)
    await call.place(credentials=credentials, display_name=display_name, on_progress=on_progress)
    return call.line
