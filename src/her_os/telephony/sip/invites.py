"""The caller's side of an INVITE: challenge, ringing, CANCEL, the ACK of every 2xx (RFC 3261, sections 9, 13.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.client_transactions import ClientTransaction, same_transaction_request
from her_os.telephony.sip.dialogs import Dialog
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import CallRefused, RequestTimeout
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.lexing import parse_parameters, split_outside
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.session_timer import least_interval
from her_os.telephony.sip.signalling import BuildRequest, Signalling, authorization
from her_os.telephony.sip.via import Address


class InviteExchange:
    """One INVITE, repeated once or twice for a digest challenge. Use: `run`, then `acknowledge`."""

    def __init__(
        self,
        signalling: Signalling,
        build: BuildRequest,
        destination: Address,
        credentials: Credentials | None,
        on_progress: Callable[[SipResponse], None] | None = None,
    ) -> None:
        self._signalling, self._build, self._destination = signalling, build, destination
        self._credentials, self._on_progress = credentials, on_progress
        self._final: asyncio.Future[SipResponse] | None = None
        self._transaction: ClientTransaction | None = None
        self._ringing = self._cancelled = self._cancel_sent = False
        self._dialog: Dialog | None = None

    async def run(self) -> tuple[SipRequest, SipResponse]:
        """Send until a 2xx; returns the request that got it, and the 2xx.

        Cancelling the awaiting task sends CANCEL, and hangs up should the far end answer at that moment.
        Raises CallRefused (a refusal, or 487 after `cancel`) and RequestTimeout.
        """
        tried = 0
        extra: tuple[tuple[str, str], ...] = ()
        longer: list[tuple[str, str]] = []
        while True:
            request = self._build(extra)
            for name, value in longer:
                request.headers.set(name, value)
            response = await self._attempt(request)
            if response.status < 300:
                return request, response
            if response.status == 422 and not longer and not self._cancelled:
                longer = least_interval(response.headers)
                continue
            header = authorization(request, response, self._credentials, tried=tried)
            if header is None or self._cancelled:
                raise CallRefused(response.status, response.phrase, refusal_of(response.headers))
            tried, extra = tried + 1, (header,)

    async def _attempt(self, request: SipRequest) -> SipResponse:
        self._ringing = False
        self._final = asyncio.get_running_loop().create_future()
        self._transaction = self._signalling.transactions.send_request(
            request, self._destination, self._on_response, self._timed_out
        )
        try:
            return await self._final
        except asyncio.CancelledError:
            self.cancel()
            raise

    def acknowledge(self, dialog: Dialog, request: SipRequest) -> None:
        """Acknowledge the 2xx that `run` returned, and every repetition of it."""
        self._dialog = dialog
        ack = dialog.acknowledge(request.cseq[0], self._signalling.via(dialog.destination))
        self._signalling.transmit(ack.to_bytes(), dialog.destination)

    def cancel(self) -> None:
        """Give up. `run` then raises CallRefused(487), or returns a call that crossed the CANCEL on the wire."""
        self._cancelled = True
        if self._ringing:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._cancel_sent or self._transaction is None:
            return
        self._cancel_sent = True
        cancel = same_transaction_request(self._transaction.request, "CANCEL")
        self._signalling.send_and_forget(cancel, self._destination)
        asyncio.get_running_loop().call_later(self._signalling.timers.timeout, self._cancel_unanswered)

    def _on_response(self, response: SipResponse) -> None:
        if not response.final:
            self._ringing = True
            if self._cancelled:
                self._send_cancel()
            elif self._on_progress is not None:
                self._on_progress(response)
        elif response.status >= 300:
            self._resolve(response)
        else:
            self._on_success(response)

    def _on_success(self, response: SipResponse) -> None:
        waiting = self._final is not None and not self._final.done()
        if waiting and not self._cancelled:
            self._resolve(response)
        elif self._dialog is not None and response.to.tag == self._dialog.remote_tag and self._transaction is not None:
            self.acknowledge(self._dialog, self._transaction.request)
        elif self._cancelled or self._dialog is not None:
            self._refuse_success(response)
            self._fail(CallRefused(487, "Request Terminated", "cancelled as it was answered"))

    def _refuse_success(self, response: SipResponse) -> None:
        """A call we no longer want, or a second branch of a forked one: ACK, then BYE."""
        if self._transaction is None:
            return
        request = self._transaction.request
        try:
            dialog = Dialog.of_response(request, response, self._destination)
        except ProtocolError:
            return
        via = self._signalling.via
        ack = dialog.acknowledge(request.cseq[0], via(dialog.destination))
        self._signalling.transmit(ack.to_bytes(), dialog.destination)
        self._signalling.send_and_forget(dialog.request("BYE", via(dialog.destination)), dialog.destination)

    def _resolve(self, response: SipResponse) -> None:
        if self._final is not None and not self._final.done():
            self._final.set_result(response)

    def _fail(self, error: CallRefused | RequestTimeout) -> None:
        if self._final is not None and not self._final.done():
            self._final.set_exception(error)

    def _timed_out(self) -> None:
        self._fail(RequestTimeout(f"{self._destination[0]}:{self._destination[1]} did not answer"))

    def _cancel_unanswered(self) -> None:
        """Neither 487 nor anything else followed our CANCEL (RFC 3261, section 9.1)."""
        self._timed_out()
        if self._transaction is not None:
            self._transaction.close()


def refusal_of(headers: Headers) -> str:
    """The text of a Reason or Warning header, for people; empty when there is none."""
    try:
        if reason := headers.get("Reason"):
            return parse_parameters(split_outside(reason, ";")[1:]).get("text", "")
        warning = headers.get("Warning")
        return warning.split('"')[1] if warning.count('"') >= 2 else ""
    except ProtocolError:
        return ""
