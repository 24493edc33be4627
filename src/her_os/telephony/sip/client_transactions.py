"""Client transactions: one request until its final answer (RFC 3261, section 17.1; RFC 6026).

Timers are `call_later` handles of the running loop, so a transaction owns no task; `close` drops them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.timers import Timers

Send = Callable[[bytes], None]


class ClientState(StrEnum):
    """Calling and trying are one here: both wait for the first answer."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ClientTransaction:
    """Sends one non-INVITE request (timers E, F, K).

    `on_response` gets each provisional and the one final answer; `on_timeout` is called when none came.
    """

    def __init__(
        self,
        request: SipRequest,
        send: Send,
        timers: Timers,
        *,
        on_response: Callable[[SipResponse], None],
        on_timeout: Callable[[], None],
        on_done: Callable[[], None],
        reliable: bool = False,
    ) -> None:
        self.request = request
        self.state = ClientState.CALLING
        self._send, self._timers = send, timers
        self._on_response, self._on_timeout, self._on_done = on_response, on_timeout, on_done
        self._reliable = reliable
        self._repeat: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Send the request for the first time."""
        self._send(self.request.to_bytes())
        self._schedule_repeat(self._timers.t1)
        self._end_after(self._timers.timeout, self._time_out)

    def receive(self, response: SipResponse) -> None:
        """An answer has come."""
        if self.state not in (ClientState.CALLING, ClientState.PROCEEDING):
            self._repeated_final(response)
        elif not response.final:
            self._provisional(response)
            self._on_response(response)
        else:
            self._stop_repeating()
            self._final(response)
            self._on_response(response)

    def close(self) -> None:
        """Forget everything now. Idempotent."""
        self._stop_repeating()
        if self._end is not None:
            self._end.cancel()
        if self.state is not ClientState.TERMINATED:
            self.state = ClientState.TERMINATED
            self._on_done()

    def abort(self) -> None:
        """Give up now; whoever still waits for an answer is told that none came."""
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            self._time_out()
        self.close()

    def _provisional(self, response: SipResponse) -> None:
        if self.state is ClientState.CALLING:
            self.state = ClientState.PROCEEDING
            self._schedule_repeat(self._timers.t2)

    def _final(self, response: SipResponse) -> None:
        self.state = ClientState.COMPLETED
        self._end_after(self._timers.t4, self.close)

    def _repeated_final(self, response: SipResponse) -> None:
        """A repetition of the final answer; nothing to do."""

    def _next_interval(self, interval: float) -> float:
        return self._timers.next_interval(interval)

    def _schedule_repeat(self, interval: float) -> None:
        def again() -> None:
            self._send(self.request.to_bytes())
            self._schedule_repeat(self._next_interval(interval))

        self._stop_repeating()
        if not self._reliable:  # a connection repeats by itself
            self._repeat = asyncio.get_running_loop().call_later(interval, again)

    def _stop_repeating(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None

    def _end_after(self, seconds: float, action: Callable[[], None]) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, action)

    def _time_out(self) -> None:
        self.close()
        self._on_timeout()


class InviteClientTransaction(ClientTransaction):
    """Sends one INVITE (timers A, B, D, M); acknowledges a refusal itself.

    A 2xx may be delivered more than once: each needs the ACK of the user agent core.
    """

    def _next_interval(self, interval: float) -> float:
        return 2 * interval

    def _provisional(self, response: SipResponse) -> None:
        self.state = ClientState.PROCEEDING
        self._stop_repeating()
        if self._end is not None:
            self._end.cancel()

    def _final(self, response: SipResponse) -> None:
        self.state = ClientState.ACCEPTED if response.status < 300 else ClientState.COMPLETED
        self._end_after(self._timers.timeout, self.close)
        if self.state is ClientState.COMPLETED:
            self._send(self._acknowledgement(response))

    def _repeated_final(self, response: SipResponse) -> None:
        if self.state is ClientState.ACCEPTED and 200 <= response.status < 300:
            self._on_response(response)
        elif self.state is ClientState.COMPLETED and response.status >= 300:
            self._send(self._acknowledgement(response))

    def _acknowledgement(self, response: SipResponse) -> bytes:
        """ACK of a refusal: same branch, To of the response (RFC 3261, section 17.1.1.3)."""
        ack = same_transaction_request(self.request, "ACK")
        ack.headers.set("To", response.headers.get("To"))
        return ack.to_bytes()


def same_transaction_request(invite: SipRequest, method: str) -> SipRequest:
    """The ACK or CANCEL that belongs to an INVITE: its Via, route, addresses, Call-ID and CSeq number."""
    headers = Headers()
    headers.add("Via", invite.headers.get("Via"))
    headers.add("Max-Forwards", "70")
    for name in ("Route", "From", "To", "Call-ID"):
        for value in invite.headers.lines(name):
            headers.add(name, value)
    headers.add("CSeq", f"{invite.cseq[0]} {method}")
    return SipRequest(headers=headers, method=method, uri=invite.uri)
