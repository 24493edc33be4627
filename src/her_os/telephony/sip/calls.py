"""One call of a user agent, from either side, after (or while) its dialog exists: answer, hold, BYE, INFO."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

from her_os.contracts.errors import CallEnded, HerOsError, ProtocolError
from her_os.telephony.sip.dialogs import Dialog
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import BadRequest, CallRefused, NotAcceptable, RequestTimeout
from her_os.telephony.sip.invites import InviteExchange, refusal_of
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.responses import Refusal, make_response
from her_os.telephony.sip.server_transactions import InviteServerTransaction, ServerTransaction
from her_os.telephony.sip.session_timer import (
    SessionInterval,
    SessionTimer,
    answer_interval,
    answered_interval,
    request_headers,
)
from her_os.telephony.sip.signalling import Signalling
from her_os.telephony.sip.transfers import PATIENCE_S as TRANSFER_PATIENCE_S
from her_os.telephony.sip.transfers import Transfer
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY"
SDP_TYPE = "application/sdp"
PATIENCE_S = 2.0
"""How long whoever hangs up waits for the far end to confirm it."""
Pairs = Iterable[tuple[str, str]]


class CallState(StrEnum):
    """RINGING -> ANSWERED (200 sent) -> CONFIRMED (ACK seen) -> ENDED; a caller's call begins CONFIRMED."""

    RINGING = "ringing"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class CallMedia(Protocol):
    """Who speaks for the call's media: makes offers, answers them, and hears of what else happens in the call."""

    def make_offer(self) -> bytes:
        """SDP that offers the session as it is now."""
        ...

    def answer_offer(self, offer: bytes) -> bytes:
        """Take the far end's offer and answer it. Raises NotAcceptable or ProtocolError, changing nothing."""
        ...

    def accept_answer(self, answer: bytes) -> None:
        """Take the far end's answer to our last offer. Raises NotAcceptable or ProtocolError."""
        ...

    def on_info(self, content_type: str, body: bytes) -> bool:
        """INFO inside the call; False when the type is not understood (415)."""
        ...

    def on_call_ended(self, reason: str) -> None:
        """The call is over; called exactly once."""
        ...


class SipCall:
    """One call. `invite` is the INVITE that began it. Set `media` before the call is answered."""

    def __init__(
        self,
        signalling: Signalling,
        dialog: Dialog,
        invite: SipRequest,
        on_forgotten: Callable[[SipCall], None],
        *,
        transaction: InviteServerTransaction | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.dialog, self.invite = dialog, invite
        self.state = CallState.RINGING if transaction else CallState.CONFIRMED
        self._signalling, self._on_forgotten, self._credentials = signalling, on_forgotten, credentials
        self._transaction = transaction
        self._media: CallMedia | None = None
        self._pending_invite: InviteServerTransaction | None = None
        self._awaiting_answer = False
        self._confirmed = asyncio.Event()
        self._inviting = False
        self._bye_when_confirmed = False
        self._transfer: Transfer | None = None
        self._session_timer = SessionTimer(self.reinvite, self._bye_and_end)
        self._session: SessionInterval | None = None
        if transaction is None:
            self._confirmed.set()

    @property
    def media(self) -> CallMedia:
        """Who speaks for the call's media."""
        if self._media is None:
            raise CallEnded("the call has no media yet")
        return self._media

    @media.setter
    def media(self, media: CallMedia) -> None:
        self._media = media

    @property
    def has_media(self) -> bool:
        """Whether `media` is set."""
        return self._media is not None

    @property
    def peer(self) -> Address:
        """Where the far end's messages go to."""
        return self.dialog.destination

    @property
    def source(self) -> Address:
        """Where the call came from; for a call of ours, where it went."""
        return self._transaction.source if self._transaction is not None else self.peer

    @property
    def local_host(self) -> str:
        """Our address as this peer should see it, for SDP."""
        return self._signalling.local_host(self.peer[0])

    def began_with(self, transaction: InviteServerTransaction) -> bool:
        """Whether it is this transaction's INVITE that rings."""
        return self._transaction is transaction

    def is_same_call(self, invite: SipRequest) -> bool:
        """Whether an INVITE is a second copy of ours that took another path (RFC 3261, section 8.2.2.2)."""
        first = self.invite
        same_caller = invite.call_id == first.call_id and invite.from_.tag == first.from_.tag
        return same_caller and invite.cseq == first.cseq

    # --- the callee's side --------------------------------------------------------------------

    def ring(self) -> None:
        """Tell the caller that it rings (180)."""
        if self.state is CallState.RINGING and self._transaction is not None:
            self._respond(self._transaction, 180)

    def answer(self, body: bytes, *, is_offer: bool = False) -> None:
        """Accept the call with SDP (an offer where the INVITE had none). Raises CallEnded when it is over."""
        if self.state is not CallState.RINGING or self._transaction is None:
            raise CallEnded("the caller has gone")
        self.state = CallState.ANSWERED
        agreed, pairs = answer_interval(self.invite.headers, self._signalling.timers)
        self._keep_session(agreed)
        self._answer_invite(self._transaction, body, pairs, is_offer=is_offer)

    def reject(self, refusal: Refusal, ended_reason: str = "") -> None:
        """Refuse a ringing call. Nothing happens when it is over already."""
        if self.state is CallState.RINGING and self._transaction is not None:
            self._respond(self._transaction, refusal.status, refusal.header_pairs())
            self._end(ended_reason or refusal.reason or f"refused ({refusal.status})")

    def cancelled(self) -> None:
        """The caller gave up while it rang (CANCEL): 487."""
        self.reject(Refusal(487), "the caller cancelled")

    def acknowledged(self, ack: SipRequest) -> None:
        """The ACK of a 2xx of ours."""
        transaction = self._pending_invite
        if transaction is None or transaction.request.cseq[0] != ack.cseq[0]:
            return
        self._pending_invite = None
        transaction.acknowledged()
        if self.state is CallState.ANSWERED:
            self.state = CallState.CONFIRMED
        self._confirmed.set()
        self._bye_now_if_due()
        if self._awaiting_answer:
            self._awaiting_answer = False
            self._take_late_answer(ack.body)

    def _take_late_answer(self, body: bytes) -> None:
        try:
            self.media.accept_answer(body)
        except (NotAcceptable, ProtocolError) as error:
            self._bye_and_end(f"the answer in the ACK cannot be used: {error.message}")
        except Exception:
            self._bye_and_end("the answer in the ACK could not be handled")
            raise

    def _answer_invite(
        self, transaction: InviteServerTransaction, body: bytes, pairs: Pairs, *, is_offer: bool
    ) -> None:
        self._pending_invite, self._awaiting_answer = transaction, is_offer
        transaction.on_unacknowledged = lambda: self._unacknowledged(transaction)
        self._respond(transaction, 200, [("Content-Type", SDP_TYPE), ("Supported", "timer"), *pairs], body)

    def _keep_session(self, agreed: SessionInterval | None) -> None:
        self._session = agreed
        self._session_timer.set(agreed)

    def agreed_by(self, response: SipResponse) -> None:
        """The 2xx of an INVITE of ours says how long the session lasts without a refresh."""
        if self.state is not CallState.ENDED:
            self._keep_session(answered_interval(response.headers, self._signalling.timers))

    def _unacknowledged(self, transaction: InviteServerTransaction) -> None:
        if self._pending_invite is transaction:
            self._pending_invite = None
            self._bye_now_if_due()
            self._bye_and_end("the far end never acknowledged our answer")

    # --- requests inside the dialog -----------------------------------------------------------

    def on_request(self, request: SipRequest, transaction: ServerTransaction) -> None:
        """A request of the far end in this dialog."""
        if not self.dialog.take_cseq(request):
            self._respond(transaction, 500, Refusal(500, "CSeq out of order").header_pairs())
        elif request.method == "BYE":
            self._respond(transaction, 200)
            self._ended_by_peer(request)
        elif request.method == "INVITE" and isinstance(transaction, InviteServerTransaction):
            self._on_reinvite(request, transaction)
        elif request.method == "INFO":
            understood = not request.body or self.media.on_info(request.content_type, request.body)
            self._respond(transaction, 200 if understood else 415)
        elif request.method == "OPTIONS":
            self._respond(transaction, 200)
        elif request.method == "NOTIFY":
            understood = self._transfer is not None and self._transfer.on_notify(request)
            self._respond(transaction, 200 if understood else 481)
        else:
            self._respond(transaction, 405)

    def _ended_by_peer(self, request: SipRequest) -> None:
        if self.state is CallState.RINGING and self._transaction is not None:
            self._respond(self._transaction, 487)
        elif self._pending_invite is not None:
            self._pending_invite.acknowledged()
        reason = refusal_of(request.headers)
        self._end("the far end hung up" + (f" ({reason})" if reason else ""))

    def _on_reinvite(self, request: SipRequest, transaction: InviteServerTransaction) -> None:
        """Hold, resume or a codec change (RFC 3261, section 14.2)."""
        if self._inviting:
            return self._respond(transaction, 491)
        if self._pending_invite is not None or self.state is CallState.RINGING:
            return self._respond(transaction, 500, [("Retry-After", "2")])
        try:
            offered = bool(request.body)
            if offered and request.content_type not in (SDP_TYPE, ""):
                raise BadRequest(415, "only application/sdp is understood")  # noqa: TRY301
            agreed, pairs = answer_interval(request.headers, self._signalling.timers)
            body = self.media.answer_offer(request.body) if offered else self.media.make_offer()
        except BadRequest as error:
            return self._respond(transaction, error.status, [("Accept", SDP_TYPE), self._least_interval])
        except (NotAcceptable, ProtocolError) as error:
            return self._respond(transaction, 488, Refusal(488, error.message).header_pairs())
        if contact := request.contact:
            self.dialog.refresh_target(contact.uri)
        self._keep_session(agreed)
        return self._answer_invite(transaction, body, pairs, is_offer=not offered)

    @property
    def _least_interval(self) -> tuple[str, str]:
        return "Min-SE", str(self._signalling.timers.min_session_s)

    def _respond(self, transaction: ServerTransaction, status: int, extra: Pairs = (), body: bytes = b"") -> None:
        pairs = list(extra)
        if status in (180, 200) and transaction.request.method == "INVITE":
            pairs.append(("Contact", self._signalling.contact(self.peer)))
        if status in (200, 405):
            pairs += [("Allow", ALLOW), ("Accept", f"{SDP_TYPE}, application/dtmf-relay")]
        transaction.respond(
            make_response(transaction.request, status, to_tag=self.dialog.local_tag, extra=pairs, body=body)
        )

    # --- what our side asks for ---------------------------------------------------------------

    async def reinvite(self) -> None:
        """Offer the session anew (hold, resume) and take the answer. Raises CallRefused, RequestTimeout, CallEnded."""
        if self.state is CallState.ENDED:
            raise CallEnded("the call is over")
        if self._inviting or self._pending_invite is not None:
            raise CallRefused(491, "Request Pending", "another offer is on its way")
        self._inviting = True
        try:
            exchange = InviteExchange(self._signalling, self._build_reinvite, self.peer, self._credentials)
            request, response = await exchange.run()
        except (CallRefused, RequestTimeout) as error:
            if isinstance(error, RequestTimeout) or error.status in (408, 481):  # RFC 3261, section 12.2.1.2
                self._bye_and_end("the far end has forgotten the call")
            raise
        finally:
            self._inviting = False
        exchange.acknowledge(self.dialog, request)
        self.agreed_by(response)
        self.media.accept_answer(response.body)

    def _build_reinvite(self, extra: Pairs) -> SipRequest:
        headers = [("Contact", self._signalling.contact(self.peer)), ("Allow", ALLOW)]
        session, timers = self._session, self._signalling.timers
        refresher = "" if session is None else "uac" if session.we_refresh else "uas"
        headers += request_headers(timers, session.seconds if session else 0, refresher)
        headers += [("Content-Type", SDP_TYPE), *extra]
        return self.dialog.request("INVITE", self._signalling.via(self.peer), headers, self.media.make_offer())

    async def info(self, content_type: str, body: bytes) -> None:
        """Send INFO. Raises CallRefused, RequestTimeout."""
        response = await self._exchange("INFO", [("Content-Type", content_type)], body)
        if response.status >= 300:
            raise CallRefused(response.status, response.phrase)

    async def transfer(self, target: str, patience_s: float = TRANSFER_PATIENCE_S) -> None:
        """Ask the far end to call `target` (a SIP URI) instead of us, and leave the call once it does.

        Raises CallRefused when the far end does not transfer calls or cannot reach the target (the call then goes on),
        RequestTimeout, CallEnded when the far end hung up meanwhile.
        """
        self._transfer = Transfer()
        me = self._signalling.contact(self.peer)
        try:
            response = await self._exchange(
                "REFER", [("Refer-To", f"<{target}>"), ("Referred-By", me), ("Contact", me)]
            )
            if response.status >= 300:
                raise CallRefused(response.status, response.phrase, refusal_of(response.headers))
            await self._transfer.result(patience_s)
        finally:
            self._transfer = None
        await self.bye("transferred")

    async def probe(self) -> bool:
        """Ask whether the far end still has this call (OPTIONS in the dialog); ends the call when it has not."""
        try:
            response = await self._exchange("OPTIONS", ())
        except RequestTimeout:
            self._end("the far end is gone")
            return False
        if response.status in (408, 481):
            self._end("the far end has forgotten the call")
            return False
        return True

    async def bye(self, reason: str = "", patience_s: float = PATIENCE_S) -> None:
        """End the call from our side. Idempotent.

        The media stops now. Returns when the far end has answered our BYE, or after `patience_s`: the transaction
        then goes on by itself.
        """
        if self.state is CallState.ENDED:
            return
        if self.state is CallState.RINGING:
            self.reject(Refusal(480, reason))
            return
        confirmed = self.state is CallState.CONFIRMED
        self.state = CallState.ENDED
        self._session_timer.stop()
        self.media.on_call_ended(reason or "we hung up")
        if not confirmed and not await self._confirmed_within(patience_s):
            self._bye_when_confirmed = True
            return
        try:
            async with asyncio.timeout(patience_s):
                await self._exchange("BYE", Refusal(200, reason).header_pairs()[:1])
        except (RequestTimeout, TimeoutError):
            log.info("call %s: the far end does not answer our BYE", self.dialog.call_id)
        finally:
            self._on_forgotten(self)

    async def _confirmed_within(self, seconds: float) -> bool:
        """A callee may not send BYE before the ACK, unless it never comes (RFC 3261, section 15)."""
        try:
            async with asyncio.timeout(seconds):
                return await self._confirmed.wait()
        except TimeoutError:
            return False

    async def _exchange(self, method: str, extra: Pairs, body: bytes = b"") -> SipResponse:
        def build(more: Pairs) -> SipRequest:
            return self.dialog.request(method, self._signalling.via(self.peer), [*extra, *more], body)

        return await self._signalling.exchange(build, self.peer, self._credentials)

    def _bye_and_end(self, reason: str) -> None:
        """End a call that went wrong, from a callback."""
        if self.state is not CallState.ENDED:
            self._send_bye()
            self._end(reason)

    def _bye_now_if_due(self) -> None:
        """The ACK, or the end of the wait for it, that `bye` had no patience for."""
        if self._bye_when_confirmed:
            self._bye_when_confirmed = False
            self._send_bye()
            self._on_forgotten(self)

    def _send_bye(self) -> None:
        """BYE, its answer left to the transaction."""
        try:
            bye = self.dialog.request("BYE", self._signalling.via(self.peer))
            self._signalling.send_and_forget(bye, self.peer)
        except HerOsError as error:
            log.info("call %s: no BYE could be sent: %s", self.dialog.call_id, error.message)

    def _end(self, reason: str) -> None:
        if self.state is not CallState.ENDED:
            self.state = CallState.ENDED
            self._session_timer.stop()
            if self._transfer is not None:
                self._transfer.ended()
            self._confirmed.set()
            try:
                if self._media is not None:
                    self._media.on_call_ended(reason)
            finally:
                self._on_forgotten(self)
