"""Blind transfer of a call to somebody else: REFER, then what the far end reports of it (RFC 3515)."""

from __future__ import annotations

import asyncio

from her_os.contracts.errors import CallEnded, ProtocolError
from her_os.telephony.sip.errors import CallRefused
from her_os.telephony.sip.message import SipRequest, parse_message

PATIENCE_S = 20.0
"""How long the far end may take to reach the other party before we let it go anyway."""


class Transfer:
    """What the far end's NOTIFYs say of one transfer. `result` waits for the end of it."""

    def __init__(self) -> None:
        self._final: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_notify(self, request: SipRequest) -> bool:
        """A NOTIFY of the call; False when it is not about a transfer."""
        if request.headers.get("Event").partition(";")[0].strip().lower() != "refer":
            return False
        status = _status_of(request.body)
        over = "terminated" in request.headers.get("Subscription-State").lower()
        if not self._final.done() and (status >= 200 or over):
            self._final.set_result(status if status >= 200 else 200)
        return True

    def ended(self) -> None:
        """The call itself ended: a far end that was put through may hang up at once."""
        if not self._final.done():
            self._final.set_exception(CallEnded("the far end hung up while it was transferred"))
            self._final.exception()

    async def result(self, patience_s: float = PATIENCE_S) -> None:
        """Return when the far end is put through, or says nothing for `patience_s`. Raises CallRefused, CallEnded."""
        try:
            async with asyncio.timeout(patience_s):
                status = await asyncio.shield(self._final)
        except TimeoutError:
            return
        if status >= 300:
            raise CallRefused(status, "the other party could not be reached")


def _status_of(fragment: bytes) -> int:
    """The status in a message/sipfrag body; 0 where there is none to read."""
    try:
        message = parse_message(fragment.strip() + b"\r\n\r\n")
    except ProtocolError:
        return 0
    return 0 if isinstance(message, SipRequest) else message.status
