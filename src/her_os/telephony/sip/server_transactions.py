"""Server transactions: one request, its answer, and every repetition of both (RFC 3261, section 17.2; RFC 6026).

Timers are `call_later` handles of the running loop, so a transaction owns no task; `close` drops them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.via import Address

Send = Callable[[bytes], None]


class ServerState(StrEnum):
    """Trying and proceeding are one here: both wait for our answer."""

    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ServerTransaction:
    """Answers one non-INVITE request; repeats the cached answer to retransmissions until timer J."""

    def __init__(
        self,
        request: SipRequest,
        source: Address,
        send: Send,
        timers: Timers,
        on_done: Callable[[], None],
        *,
        reliable: bool = False,
    ) -> None:
        self.request, self.source = request, source
        self.state = ServerState.PROCEEDING
        self._send, self._timers, self._on_done = send, timers, on_done
        self._reliable = reliable
        self._last = b""
        self._linger: asyncio.TimerHandle | None = None
        self._repeat: asyncio.TimerHandle | None = None

    def respond(self, response: SipResponse) -> None:
        """Send an answer. After a final one further answers are ignored."""
        if self.state is not ServerState.PROCEEDING:
            return
        self._last = response.to_bytes()
        self._send(self._last)
        if response.final:
            self._finish(response)

    def _finish(self, response: SipResponse) -> None:
        self.state = ServerState.COMPLETED
        self._linger_for(self._timers.timeout)

    def repeated(self) -> None:
        """The request came again."""
        if self._last:
            self._send(self._last)

    def close(self) -> None:
        """Forget everything now. Idempotent."""
        self._stop_repeating()
        if self._linger is not None:
            self._linger.cancel()
        if self.state is not ServerState.TERMINATED:
            self.state = ServerState.TERMINATED
            self._on_done()

    def _linger_for(self, seconds: float) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self._linger = asyncio.get_running_loop().call_later(seconds, self.close)

    def _stop_repeating(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None


class InviteServerTransaction(ServerTransaction):
    """Answers one INVITE; repeats the final answer by itself until the ACK (timers G, H, I, L).

    A 2xx is repeated here too, although RFC 3261 leaves that to the user agent core: `acknowledged` stops it,
    and `on_unacknowledged` is called once when 64*T1 pass without an ACK.
    """

    on_unacknowledged: Callable[[], None] | None = None

    @property
    def accepted(self) -> bool:
        """Whether the answer was a 2xx."""
        return self.state is ServerState.ACCEPTED

    def _finish(self, response: SipResponse) -> None:
        self.state = ServerState.ACCEPTED if response.status < 300 else ServerState.COMPLETED
        lost = self.accepted or not self._reliable  # a 2xx is repeated on a connection, too: a proxy may have lost it
        self._schedule_repeat(self._timers.t1 if lost else 2 * self._timers.timeout)
        if self._linger is not None:
            self._linger.cancel()
        self._linger = asyncio.get_running_loop().call_later(self._timers.timeout, self._give_up)

    def _schedule_repeat(self, interval: float) -> None:
        def again() -> None:
            self._send(self._last)
            self._schedule_repeat(self._timers.next_interval(interval))

        self._repeat = asyncio.get_running_loop().call_later(interval, again)

    def _give_up(self) -> None:
        unacknowledged = self._repeat is not None
        self.close()
        if unacknowledged and self.on_unacknowledged is not None:
            self.on_unacknowledged()

    def repeated(self) -> None:
        """The INVITE came again: the cached answer goes out again, unless an ACK has already confirmed it."""
        if self.state is ServerState.PROCEEDING or self._repeat is not None:
            super().repeated()

    def acknowledged(self) -> None:
        """The ACK has come: stop repeating; absorb what is still on its way, then go."""
        if self._repeat is None:
            return
        self._stop_repeating()
        self.on_unacknowledged = None  # it holds a whole call, and this lives on for 64*T1
        if self.state is ServerState.COMPLETED:
            self.state = ServerState.CONFIRMED
            self._linger_for(self._timers.t4)
