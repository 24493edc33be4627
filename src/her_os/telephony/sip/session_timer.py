"""Session timers (RFC 4028): a call whose far end has vanished ends by itself, also behind proxies and without media.

Whoever is the refresher repeats its offer at half of the interval; the other hangs up when no refresh has come shortly
before its end. Here are the rules and the clock; `SipCall` sends and receives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from her_os.contracts.errors import HerOsError
from her_os.telephony.sip.errors import BadRequest
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.lexing import bounded_int, parse_parameters
from her_os.telephony.sip.timers import Timers

Pairs = list[tuple[str, str]]
_LONGEST_S = 86_400
_ATTEMPTS, _AGAIN_S = 3, 2.0


@dataclass(frozen=True, slots=True)
class SessionInterval:
    """What both sides agreed on."""

    seconds: int
    we_refresh: bool

    def header(self, *, we_called: bool) -> tuple[str, str]:
        """Session-Expires as it stands in a 2xx answer of ours."""
        caller_refreshes = self.we_refresh == we_called
        return "Session-Expires", f"{self.seconds};refresher={'uac' if caller_refreshes else 'uas'}"


def asked_for(headers: Headers) -> tuple[int, str]:
    """Seconds and refresher of a Session-Expires header; (0, '') where there is none. Raises ProtocolError."""
    value = headers.get("Session-Expires")
    if not value:
        return 0, ""
    seconds, *parameters = value.split(";")
    return bounded_int(seconds, "Session-Expires", 2**32 - 1), parse_parameters(parameters).get("refresher", "").lower()


def answer_interval(headers: Headers, timers: Timers) -> tuple[SessionInterval | None, Pairs]:
    """As the one who answers an INVITE: what is agreed, and the headers of the 2xx.

    Raises BadRequest(422) for an interval below ours. A caller that knows no timers is refreshed by us.
    """
    seconds, refresher = asked_for(headers)
    knows = "timer" in headers.tokens("Supported")
    if seconds and seconds < timers.min_session_s:
        raise BadRequest(422, f"Session-Expires must be at least {timers.min_session_s}")
    if not seconds and not timers.session_s:
        return None, []
    least = bounded_int(headers.get("Min-SE").partition(";")[0] or "0", "Min-SE", 2**32 - 1)
    wanted = min(seconds, timers.session_s) if seconds and timers.session_s else seconds or timers.session_s
    wanted = min(max(wanted, least, timers.min_session_s), _LONGEST_S)
    caller_refreshes = knows and refresher != "uas"
    agreed = SessionInterval(wanted, we_refresh=not caller_refreshes)
    pairs = [agreed.header(we_called=False)]
    if caller_refreshes:
        pairs.append(("Require", "timer"))
    return agreed, pairs


def request_headers(timers: Timers, seconds: int = 0, refresher: str = "") -> Pairs:
    """What an INVITE of ours asks for."""
    seconds = max(seconds or timers.session_s, timers.min_session_s)
    if not timers.session_s:
        return [("Supported", "timer")]
    suffix = f";refresher={refresher}" if refresher else ""
    return [
        ("Supported", "timer"),
        ("Session-Expires", f"{seconds}{suffix}"),
        ("Min-SE", str(timers.min_session_s)),
    ]


def least_interval(headers: Headers) -> Pairs:
    """What to ask for after a 422: the interval that it names."""
    least = str(bounded_int(headers.get("Min-SE").partition(";")[0], "Min-SE", _LONGEST_S))
    return [("Session-Expires", least), ("Min-SE", least)]


def answered_interval(headers: Headers, timers: Timers) -> SessionInterval | None:
    """As the one who sent the INVITE: what its 2xx settled. An answer without timers leaves the refreshing to us."""
    seconds, refresher = asked_for(headers)
    if not seconds:
        return SessionInterval(timers.session_s, we_refresh=True) if timers.session_s else None
    return SessionInterval(max(seconds, timers.min_session_s), we_refresh=refresher != "uas")


class SessionTimer:
    """The clock of one call. `refresh` repeats the offer; `expire` hangs up. `stop` drops both."""

    def __init__(self, refresh: Callable[[], Awaitable[None]], expire: Callable[[str], None]) -> None:
        self._refresh, self._expire = refresh, expire
        self._handle: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, agreed: SessionInterval | None) -> None:
        """A new agreement, and with it a new interval."""
        self._drop()
        if agreed is None:
            return
        loop = asyncio.get_running_loop()
        spare_s = min(32.0, agreed.seconds / 3)
        self._end = loop.call_later(agreed.seconds - spare_s, self._expired)
        if agreed.we_refresh:
            self._handle = loop.call_later(agreed.seconds / 2, self._due)

    def stop(self) -> None:
        """The call is over. Idempotent."""
        self._drop()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _drop(self) -> None:
        for handle in (self._handle, self._end):
            if handle is not None:
                handle.cancel()
        self._handle = self._end = None

    def _due(self) -> None:
        self._task = asyncio.create_task(self._refresh_once(), name="session refresh")

    async def _refresh_once(self) -> None:
        for _ in range(_ATTEMPTS):
            try:
                return await self._refresh()
            except HerOsError:
                await asyncio.sleep(_AGAIN_S)  # both may have offered at once (491); the end of the interval hangs up

    def _expired(self) -> None:
        self._expire("the session expired: no refresh came in time")
