"""Which call, and which turn of it, the running task works for: its log records then carry both in the journal.

Tasks begun inside inherit it. A thread does not: there a message names its `call ID` or `session CALL.TURN`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOBODY: Mapping[str, str] = MappingProxyType({})
_FIELDS: ContextVar[Mapping[str, str]] = ContextVar("call_fields", default=_NOBODY)


@contextmanager
def working_for(session_id: str) -> Generator[None]:
    """Until the end of the block this task works for the session `CALL` or `CALL.TURN`."""
    token = _FIELDS.set(session_fields(session_id))
    try:
        yield
    finally:
        _FIELDS.reset(token)


def session_fields(session_id: str) -> Mapping[str, str]:
    """CALL_ID, and TURN_ID where the id ends in the number of a turn."""
    call, dot, turn = session_id.rpartition(".")
    return {"CALL_ID": call, "TURN_ID": turn} if dot and turn.isdecimal() else {"CALL_ID": session_id}


def current_fields() -> Mapping[str, str]:
    """What is known of the call that this task works for; empty outside of one."""
    return _FIELDS.get()
