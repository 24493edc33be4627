"""Which tools a call has."""

from __future__ import annotations

from collections.abc import Callable

from her_os.conversation.tools.calculate import Calculate
from her_os.conversation.tools.clock import GetDate, GetTime, Now
from her_os.conversation.tools.contacts import ContactBook, FindContact
from her_os.conversation.tools.hang_up import HangUp
from her_os.conversation.tools.registry import Tool
from her_os.conversation.tools.timers import CancelTimer, ListTimers, SetTimer, TimerBook


def build_tools(*, now: Now, timers: TimerBook, contacts: ContactBook, hang_up: Callable[[], None]) -> tuple[Tool, ...]:
    """The tools of one call. `hang_up` asks for the call to end after the farewell."""
    return (
        GetTime(now),
        GetDate(now),
        SetTimer(timers),
        ListTimers(timers),
        CancelTimer(timers),
        FindContact(contacts),
        Calculate(),
        HangUp(hang_up),
    )
