"""Who is being spoken for: open requests by session, tombstones of cancelled ones, a memory of finished ones.

Pure: time comes in as a clock, requests are opaque. Event loop only.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from her_os.contracts.errors import CancelledTurn, ProtocolError

RequestT = TypeVar("RequestT")

_SESSION_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,120}\.[0-9]{1,10}")


def check_session_id(session_id: str) -> str:
    """Return a session id `CALL.TURN` (TURN a number, CALL of letters, digits and `_.:@-`), else ProtocolError."""
    if not _SESSION_ID.fullmatch(session_id):
        raise ProtocolError(f"session_id must be CALL.TURN, TURN a number, as in `a1b2.7`; got {session_id[:140]!r}")
    return session_id


class SessionBook(Generic[RequestT]):
    """Open requests and what is still known of closed sessions, for `tombstone_s` seconds."""

    def __init__(self, clock: Callable[[], float], tombstone_s: float) -> None:
        self._clock, self._keep_s = clock, tombstone_s
        self._open: dict[str, list[RequestT]] = {}
        self._tombstones: OrderedDict[str, float] = OrderedDict()
        self._finished: OrderedDict[str, float] = OrderedDict()

    @property
    def open_requests(self) -> int:
        return sum(len(requests) for requests in self._open.values())

    def open(self, session_id: str, request: RequestT) -> None:
        """Enter a request. Raises CancelledTurn when the session has a tombstone."""
        if self.is_cancelled(session_id):
            raise CancelledTurn(f"session {session_id} was cancelled; speak in a new turn")
        self._open.setdefault(session_id, []).append(request)

    def close(self, session_id: str, request: RequestT) -> None:
        """Strike a request out, however it ended."""
        requests = self._open.get(session_id, [])
        if request in requests:
            requests.remove(request)
        if not requests:
            self._open.pop(session_id, None)
        self._stamp(self._finished, session_id)

    def cancel(self, session_id: str) -> list[RequestT]:
        """Leave a tombstone, whatever is known of the session. Returns its open requests."""
        self._stamp(self._tombstones, session_id)
        return list(self._open.get(session_id, []))

    def is_cancelled(self, session_id: str) -> bool:
        self._forget(self._tombstones)
        return session_id in self._tombstones

    def has_finished(self, session_id: str) -> bool:
        """Whether a request of this session ended within the last `tombstone_s` seconds."""
        self._forget(self._finished)
        return session_id in self._finished

    def _stamp(self, book: OrderedDict[str, float], session_id: str) -> None:
        """(Re)start the session's time in `book`; newest last, so that the oldest are found first."""
        self._forget(book)
        book[session_id] = self._clock() + self._keep_s
        book.move_to_end(session_id)

    def _forget(self, book: OrderedDict[str, float]) -> None:
        now = self._clock()
        while book and next(iter(book.values())) <= now:
            book.popitem(last=False)
