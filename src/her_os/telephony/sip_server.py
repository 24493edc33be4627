"""The phone daemon's SIP side: who may call, the registrar, one task a call, an orderly stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import CallEnded, HerOsError, ProtocolError
from her_os.settings.schema import Phone
from her_os.telephony.call_outcome import outcome_told
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.sip.access import LOOPBACK_NETWORKS, AccessPolicy, Admitted
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.authenticator import DigestAuthenticator
from her_os.telephony.sip.calls import SipCall
from her_os.telephony.sip.dial_plan import DialPlan
from her_os.telephony.sip.errors import NotAcceptable, RequestTimeout
from her_os.telephony.sip.lexing import readable
from her_os.telephony.sip.limits import CallLimit, RateLimit
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.refusal_log import RefusalLog
from her_os.telephony.sip.registrar import Registrar
from her_os.telephony.sip.registration import RetryRules
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.stream_transport import client_context, server_context
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.trunks import Trunks
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address
from her_os.telephony.sip_line import OutgoingCall, SipLine

log = logging.getLogger(__name__)
OnCall = Callable[[SipLine], Awaitable[None]]
Place = Callable[[], Awaitable[None]]
Talk = Callable[[SipLine, Place], Awaitable[object]]
Admit = Callable[[CallerInfo], Refusal | None]
STOP_GRACE_S = 2.0


class SipServer:
    """Answers the house's phones.

    `on_call` gets every admitted call as a ringing line and owns it: it answers, starts and awaits it; when it
    returns or fails, the call is hung up. It is cancelled only when `stop` has run out of patience.
    `admit` is asked before a call rings; it must not block. `silence_s` without a packet makes us ask the far end
    whether the call still stands.
    """

    def __init__(
        self,
        phone: Phone,
        accounts: AccountStore,
        on_call: OnCall,
        admit: Admit = lambda _: None,
        *,
        timers: Timers | None = None,
        trusted_networks: Sequence[str] = LOOPBACK_NETWORKS,
        silence_s: float = 30.0,
        trunk_passwords: Mapping[str, str] | None = None,
        trunk_rules: RetryRules | None = None,
    ) -> None:
        self._phone, self._on_call, self._admit, self._silence_s = phone, on_call, admit, silence_s
        self.registrar = Registrar()
        authenticator = DigestAuthenticator(phone.realm, accounts.secrets_of)
        self.refusals = RefusalLog()
        self._access = AccessPolicy(authenticator, phone.allowlist, trusted_networks, self.refusals)
        self._rate = RateLimit(phone.requests_per_minute)
        self._limit = CallLimit(phone.max_calls_per_source)
        self._ports = PortPool(phone.rtp_port_min, phone.rtp_port_max)
        self._agent = UserAgent(handler=self, advertised_host=phone.advertised_host, timers=timers)
        self.trunks = Trunks(self._agent, phone.trunks, trunk_passwords or {}, trunk_rules)
        self.dial_plan = DialPlan(self.registrar, self.trunks, phone.dial_allowlist)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Listen. Raises ConfigError when a port is taken or a certificate cannot be used."""
        phone, signalling = self._phone, self._agent.signalling
        if phone.sip_tls_authorities:
            signalling.streams.client_tls = client_context(phone.sip_tls_authorities)
        tls = server_context(phone.sip_tls_certificate, phone.sip_tls_key) if phone.sip_tls_port else None
        await self._agent.start(phone.sip_host, phone.sip_port)
        if phone.sip_tcp:
            await signalling.listen(phone.sip_host, phone.sip_port, "phone.sip_port")
        if tls is not None:
            await signalling.listen(phone.sip_host, phone.sip_tls_port, "phone.sip_tls_port", tls)
        ways = [f"{self.port}/udp", *(f"{port}/{how}" for how, port in signalling.streams.ports.items())]
        log.info("SIP on %s: %s", signalling.transport.host, ", ".join(ways))
        self.trunks.start()

    @property
    def port(self) -> int:
        """The UDP port we listen on."""
        return self._agent.port

    @property
    def agent(self) -> UserAgent:
        """The user agent, to place calls from the same socket."""
        return self._agent

    async def stop(self) -> None:
        """Refuse new calls, hang up live ones, wait a bounded time for both ends, close. Idempotent."""
        self._stopping = True
        await self.trunks.stop()
        await self._agent.hang_up_all(STOP_GRACE_S)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self._agent.stop()

    # --- calls of ours ------------------------------------------------------------------------

    async def dial(self, target: str, talk: Talk) -> SipLine:
        """Call `target` if the dial plan allows it; returns the line once it is answered and `talk` has it.

        `talk(line, place)` holds the call as `on_call` does; it must await `place` to have it placed. Raises
        DialRefused, CallRefused, RequestTimeout, CapacityError, NotAcceptable, and whatever `talk` raises before.
        """
        route = self.dial_plan.route(target)
        destination = route.destination or await self._agent.destination_of(route.uri)
        bound = self._agent.signalling.transport.host
        caller = CallerInfo(route.uri, account=target if route.destination else "")
        call = OutgoingCall(
            self._agent,
            route.uri,
            destination,
            self._ports,
            bind_host=bound,
            codecs=self._phone.codecs,
            caller=caller,
            secure=self._phone.srtp == "required",
        )
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def place() -> None:
            log.info("call %s: dialling %s", call.line.call_id, route.uri)
            await call.place(credentials=route.credentials)
            if not answered.done():
                answered.set_result(None)

        task = asyncio.create_task(self._hold_placed(call, place, talk, answered), name=f"call {call.line.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(self._phone.ring_timeout_s):
                await asyncio.shield(answered)
        except TimeoutError as error:
            raise RequestTimeout(f"{target} did not answer within {self._phone.ring_timeout_s} s") from error
        finally:
            if not answered.done() or answered.cancelled() or answered.exception():
                task.cancel()
                await asyncio.wait({task})
        return call.line

    async def _hold_placed(self, call: OutgoingCall, place: Place, talk: Talk, answered: asyncio.Future[None]) -> None:
        """The task that owns one call of ours."""
        try:
            await talk(call.line, place)
        except Exception as error:
            if not answered.done():
                answered.set_exception(error)
            else:
                log.exception("call %s failed", call.line.call_id)
        finally:
            if answered.done() and not answered.exception():
                await call.line.hang_up("the conversation is over")
            else:
                await call.abandon()

    def line_of(self, call_id: str) -> SipLine | None:
        """The live line of that name."""
        return next((line for line in self.lines() if line.call_id == call_id), None)

    def lines(self) -> list[SipLine]:
        """Every call that has a line, ringing or up."""
        return [call.media for call in self._agent.calls if call.has_media and isinstance(call.media, SipLine)]

    # --- AgentHandler -------------------------------------------------------------------------

    def authorize(self, request: SipRequest, source: Address) -> CallerInfo | Refusal:
        """See AgentHandler."""
        if self._stopping:
            return Refusal(503, "shutting down")
        trunk = self.trunks.of_call(request, source)
        verdict = self._check_rate(request, source)
        if verdict is None and trunk is not None:
            verdict = Admitted(trunk.trunk.name)
        verdict = verdict or self._access.check(request, source)
        if isinstance(verdict, Refusal):
            return verdict
        if crowd := self._limit.check(source[0]):
            self.refusals.tell("calls", "INVITE", source[0], crowd.reason)
            return crowd
        sender = request.from_
        caller = CallerInfo(readable(sender.uri), readable(sender.display_name), verdict.account)
        refusal = self._admit(caller)
        if refusal is not None:
            self.refusals.tell("busy", "INVITE", source[0], f"{refusal.status} {refusal.reason}")
            return refusal
        return caller

    def _check_rate(self, request: SipRequest, source: Address) -> Refusal | None:
        """This machine may ask as often as it likes."""
        if self._access.is_trusted(source[0]):
            return None
        refusal = self._rate.check(source[0])
        if refusal is not None:
            self.refusals.tell("rate", request.method, source[0], refusal.reason)
        return refusal

    def on_invite(self, call: SipCall, caller: CallerInfo) -> None:
        """See AgentHandler."""
        try:
            bound = self._agent.signalling.transport.host
            line = SipLine.ringing(
                call, caller, self._ports, bound, self._phone.codecs, secure=self._phone.srtp == "required"
            )
        except HerOsError as error:
            status = 488 if isinstance(error, NotAcceptable | ProtocolError) else 503
            log.warning("call from %s refused: %s", caller.uri, error.message)
            call.reject(Refusal(status, error.message))
            return
        call.ring()
        log.info("call %s rings, by way of %s:%d", line.call_id, *call.peer)
        host = call.source[0]
        self._limit.began(host)
        task = asyncio.create_task(self._look_after(line), name=f"call {line.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._limit.ended(host))

    def on_register(self, request: SipRequest, source: Address) -> Refusal | list[tuple[str, str]]:
        """See AgentHandler."""
        verdict = self._check_rate(request, source) or self._access.check(request, source)
        if isinstance(verdict, Refusal):
            return verdict
        return self.registrar.register(request, source, verdict.account)

    async def _look_after(self, line: SipLine) -> None:
        """The task that owns one call from its first ring to the last packet."""
        watch = asyncio.create_task(self._watch(line), name=f"watch {line.call_id}")
        try:
            with outcome_told(line.call_id):
                await self._on_call(line)
        finally:
            watch.cancel()
            await asyncio.wait({watch})
            if not watch.cancelled() and (bug := watch.exception()):
                log.error("call %s was no longer watched", line.call_id, exc_info=bug)
            await line.hang_up("the conversation is over")

    async def _watch(self, line: SipLine) -> None:
        """A phone that lost its power sends no BYE: when its packets stay away, ask."""
        while line.ended_reason is None:
            await asyncio.sleep(self._silence_s)
            quiet_ms = line.statistics().extra.get("since_last_packet_ms", 0.0)
            if line.answered and (quiet_ms < 0 or quiet_ms > self._silence_s * 1000):
                try:
                    await line.probe()
                except CallEnded:
                    return  # it ended while we asked
                except HerOsError as error:
                    log.warning("call %s: the far end could not be asked: %s", line.call_id, error.message)
