"""The user agent: one UDP socket, the calls on it, and the first look at every request (RFC 3261, section 8).

The same class answers calls (give it a `handler`) and places them (`invite`, `register`, `options`).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.calls import ALLOW, SDP_TYPE, CallMedia, SipCall
from her_os.telephony.sip.dialogs import Dialog, new_tag
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import BadRequest, CallRefused, NotAcceptable
from her_os.telephony.sip.invites import InviteExchange, refusal_of
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.outgoing import OutgoingRequests, granted_expiry
from her_os.telephony.sip.responses import Refusal, make_response
from her_os.telephony.sip.server_transactions import InviteServerTransaction
from her_os.telephony.sip.session_timer import answer_interval
from her_os.telephony.sip.signalling import Signalling, resolve
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.uri import DEFAULT_PORT, DEFAULT_TLS_PORT, parse_uri
from her_os.telephony.sip.via import Address, StreamAddress

log = logging.getLogger(__name__)
Pairs = Iterable[tuple[str, str]]
Renew = Callable[[Address, int], Awaitable[int]]
EXTENSIONS = {"timer"}
"""Option tags that a request may require of us."""

_UNSUPPORTED_METHODS = {"UPDATE", "PRACK", "SUBSCRIBE", "PUBLISH", "MESSAGE", "REFER"}


class AgentHandler(Protocol):
    """Who decides about calls and registrations. Called on the event loop; must not block."""

    def authorize(self, request: SipRequest, source: Address) -> CallerInfo | Refusal:
        """Whether this INVITE may go on."""
        ...

    def on_invite(self, call: SipCall, caller: CallerInfo) -> None:
        """A new call, 100 Trying is sent: set its `media`, then ring, answer or reject it, now or later."""
        ...

    def on_register(self, request: SipRequest, source: Address) -> Refusal | list[tuple[str, str]]:
        """Carry out a REGISTER; the extra headers of its 200, or a refusal."""
        ...


class UserAgent:
    """One SIP endpoint. `start`, use, `stop`."""

    def __init__(
        self,
        *,
        handler: AgentHandler | None = None,
        contact_user: str = "her",
        advertised_host: str = "",
        timers: Timers | None = None,
    ) -> None:
        self._handler = handler
        self.signalling = Signalling(
            self, timers or Timers(), contact_user=contact_user, advertised_host=advertised_host
        )
        self._outgoing = OutgoingRequests(self.signalling, contact_user)
        self._calls: dict[tuple[str, str], SipCall] = {}
        self._tag_key = secrets.token_bytes(16)

    async def start(self, host: str = "0.0.0.0", port: int = 0) -> None:  # noqa: S104 - phones must reach it
        """Listen. Raises ConfigError when the port is taken."""
        await self.signalling.transport.open(host, port)

    async def hang_up_all(self, grace_s: float = 2.0) -> None:
        """End every call; wait at most `grace_s` for the far ends to answer."""
        if not self._calls:
            return
        ending = [asyncio.create_task(call.bye("we are shutting down")) for call in self._calls.values()]
        _, late = await asyncio.wait(ending, timeout=grace_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def stop(self, grace_s: float = 2.0) -> None:
        """Hang up what is still up, and close the socket. Idempotent."""
        await self.hang_up_all(grace_s)
        self.signalling.transactions.close()
        await self.signalling.close()

    @property
    def port(self) -> int:
        """The UDP port we listen on."""
        return self.signalling.transport.port

    @property
    def calls(self) -> list[SipCall]:
        """Calls that are ringing or up."""
        return list(self._calls.values())

    # --- placing calls ------------------------------------------------------------------------

    async def destination_of(self, target: str) -> Address:
        """Where a SIP URI is reached, and how. Raises ProtocolError for a bad URI, HerOsError for an unknown host."""
        uri = parse_uri(target)
        how = uri.parameters.get("transport", "tls" if uri.scheme == "sips" else "udp").lower()
        port = uri.port or (DEFAULT_TLS_PORT if how == "tls" else DEFAULT_PORT)
        address = await resolve(uri.host, port)
        if how in ("tcp", "tls"):
            return StreamAddress(*address, "tls" if how == "tls" else "tcp", uri.host)
        return address

    async def invite(
        self,
        target: str,
        media: CallMedia,
        *,
        credentials: Credentials | None = None,
        display_name: str = "",
        destination: Address | None = None,
        on_progress: Callable[[SipResponse], None] | None = None,
    ) -> SipCall:
        """Call `target` and wait until it answers. Cancelling the awaiting task sends CANCEL.

        `on_progress` sees provisional answers (180). Raises CallRefused, RequestTimeout, NotAcceptable, ProtocolError.
        """
        destination = destination or await self.destination_of(target)
        build = self._outgoing.invite(target, destination, media, credentials, display_name)
        exchange = InviteExchange(self.signalling, build, destination, credentials, on_progress)
        request, response = await exchange.run()
        dialog = Dialog.of_response(request, response, destination)
        exchange.acknowledge(dialog, request)
        call = SipCall(self.signalling, dialog, request, self._forget, credentials=credentials)
        call.media = media
        self._calls[dialog.call_id, dialog.local_tag] = call
        try:
            call.agreed_by(response)
            media.accept_answer(response.body)
        except Exception as error:
            await call.bye("no common codec" if isinstance(error, NotAcceptable | ProtocolError) else "an error")
            raise
        return call

    async def register(
        self, registrar: str, credentials: Credentials, *, expires_s: int = 300, destination: Address | None = None
    ) -> int:
        """Register our Contact as the account at `registrar` (a SIP URI); 0 takes it back.

        Returns the seconds granted; whoever calls it repeats it in time. Raises CallRefused, RequestTimeout.
        """
        destination = destination or await self.destination_of(registrar)
        return await self.registrar_client(registrar, credentials)(destination, expires_s)

    def registrar_client(self, registrar: str, credentials: Credentials, contact_user: str = "") -> Renew:
        """A function that registers (again) at an address for some seconds, always with the same Call-ID.

        It returns the seconds granted, and raises CallRefused and RequestTimeout. An interval that the registrar finds
        too brief is asked for once more as long as it wants (423).
        """
        start = self._outgoing.registration()

        async def once(destination: Address, expires_s: int) -> SipResponse:
            build = self._outgoing.register(registrar, destination, credentials, expires_s, start, contact_user)
            return await self.signalling.exchange(build, destination, credentials)

        async def renew(destination: Address, expires_s: int) -> int:
            response = await once(destination, expires_s)
            least = response.headers.get("Min-Expires")[:9]
            if response.status == 423 and least.isdigit() and expires_s < int(least):
                expires_s = int(least)
                response = await once(destination, expires_s)
            if response.status >= 300:
                raise CallRefused(response.status, response.phrase, refusal_of(response.headers))
            own = self.signalling.contact(destination, contact_user)
            return granted_expiry(response.headers.values("Contact"), own, expires_s)

        return renew

    async def options(self, target: str, *, destination: Address | None = None) -> SipResponse:
        """Ask `target` what it can do. Raises RequestTimeout."""
        destination = destination or await self.destination_of(target)
        return await self.signalling.send(self._outgoing.options(target, destination), destination)

    # --- answering requests -------------------------------------------------------------------

    def on_request(self, request: SipRequest, source: Address) -> None:
        """See TransactionUser."""
        try:
            self._dispatch(request, source)
        except BadRequest as error:
            headers = (("Min-SE", str(self.signalling.timers.min_session_s)),) if error.status == 422 else ()
            self._give_up_on(request, source, Refusal(error.status, error.message, headers))
        except ProtocolError as error:
            self._give_up_on(request, source, Refusal(400, error.message))
        except Exception:
            log.exception("%s from %s:%d failed; answered with 500", request.method, *source)
            self._give_up_on(request, source, Refusal(500))

    def _give_up_on(self, request: SipRequest, source: Address, refusal: Refusal) -> None:
        """Refuse by the transaction if one is open already. A call that has just begun ends; one that is up goes on."""
        transaction = self.signalling.transactions.opened(request)
        if transaction is None:
            self._refuse(request, source, refusal)
            return
        for call in self.calls:
            if isinstance(transaction, InviteServerTransaction) and call.began_with(transaction):
                call.reject(refusal, refusal.reason or "it could not be answered because of an error")
        tag = self._stateless_tag(request)
        transaction.respond(make_response(request, refusal.status, to_tag=tag, extra=refusal.header_pairs()))

    def on_ack(self, request: SipRequest) -> None:
        """See TransactionUser."""
        call = self._calls.get((request.call_id, request.to.tag))
        if call is not None and call.dialog.matches(request):
            call.acknowledged(request)

    def _dispatch(self, request: SipRequest, source: Address) -> None:
        unsupported = request.headers.tokens("Require") - EXTENSIONS if request.method != "CANCEL" else set[str]()
        if request.method == "CANCEL":
            self._on_cancel(request, source)
        elif unsupported:
            header = ("Unsupported", ", ".join(sorted(unsupported)))
            self._refuse(request, source, Refusal(420, headers=(header,)))
        elif request.to.tag:
            self._on_dialog_request(request, source)
        elif request.method == "INVITE":
            self._on_invite(request, source)
        elif request.method == "REGISTER":
            self._on_register(request, source)
        elif request.method == "OPTIONS":
            self._reply(request, source, 200, [("Allow", ALLOW), ("Accept", SDP_TYPE), ("Supported", "timer")])
        elif request.method in ("BYE", "INFO", "NOTIFY"):
            self._refuse(request, source, Refusal(481))
        else:
            status = 405 if request.method in _UNSUPPORTED_METHODS else 501
            self._refuse(request, source, Refusal(status, headers=(("Allow", ALLOW),)))

    def _on_cancel(self, request: SipRequest, source: Address) -> None:
        invite = self.signalling.transactions.pending_invite(request)
        call = next((call for call in self._calls.values() if invite is not None and call.began_with(invite)), None)
        if call is None:
            self._refuse(request, source, Refusal(481))
            return
        response = make_response(request, 200, to_tag=call.dialog.local_tag)
        self.signalling.transactions.accept(request, source).respond(response)
        call.cancelled()

    def _on_dialog_request(self, request: SipRequest, source: Address) -> None:
        call = self._calls.get((request.call_id, request.to.tag))
        if call is None or not call.dialog.matches(request):
            self._refuse(request, source, Refusal(481))
        else:
            call.on_request(request, self.signalling.transactions.accept(request, source))

    def _on_invite(self, request: SipRequest, source: Address) -> None:
        if self._handler is None:
            return self._refuse(request, source, Refusal(480, "this phone takes no calls"))
        if any(call.is_same_call(request) for call in self._calls.values()):
            return self._refuse(request, source, Refusal(482, "this call has arrived by another way"))
        if request.body and request.content_type != SDP_TYPE:
            return self._refuse(request, source, Refusal(415, headers=(("Accept", SDP_TYPE),)))
        verdict = self._handler.authorize(request, source)
        if isinstance(verdict, Refusal):
            return self._refuse(request, source, verdict)
        answer_interval(request.headers, self.signalling.timers)
        dialog = Dialog.of_request(request, source, new_tag())
        transaction = self.signalling.transactions.accept(request, source)
        assert isinstance(transaction, InviteServerTransaction)
        transaction.respond(make_response(request, 100))
        call = SipCall(self.signalling, dialog, request, self._forget, transaction=transaction)
        self._calls[dialog.call_id, dialog.local_tag] = call
        return self._handler.on_invite(call, verdict)

    def _on_register(self, request: SipRequest, source: Address) -> None:
        if self._handler is None:
            return self._refuse(request, source, Refusal(405, headers=(("Allow", ALLOW),)))
        outcome = self._handler.on_register(request, source)
        if isinstance(outcome, Refusal):
            return self._refuse(request, source, outcome)
        response = make_response(request, 200, to_tag=self._stateless_tag(request), extra=outcome)
        return self.signalling.transactions.accept(request, source).respond(response)

    def _refuse(self, request: SipRequest, source: Address, refusal: Refusal) -> None:
        self._reply(request, source, refusal.status, refusal.header_pairs(), refusal.phrase)

    def _reply(self, request: SipRequest, source: Address, status: int, extra: Pairs, phrase: str = "") -> None:
        """Answer without state: nothing a stranger sends can fill our memory."""
        response = make_response(request, status, to_tag=self._stateless_tag(request), extra=extra, phrase=phrase)
        self.signalling.transactions.reply(request, source, response)

    def _stateless_tag(self, request: SipRequest) -> str:
        """The same To tag for every repetition of a request (RFC 3261, section 8.2.7)."""
        text = f"{request.call_id} {request.headers.get('From')}"
        return hmac.new(self._tag_key, text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()[:16]

    def _forget(self, call: SipCall) -> None:
        self._calls.pop((call.dialog.call_id, call.dialog.local_tag), None)
