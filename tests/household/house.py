"""A caller and a turn as the phone loop writes them down."""

from __future__ import annotations

from her_os.contracts.call_journal import TurnRecord
from her_os.contracts.call_line import CallerInfo

CALLER = CallerInfo("sip:anna@192.0.2.7", "Anna", "kitchen")


def turn(number: int, caller_text: str = "what time is it") -> TurnRecord:
    """A turn whose answer was heard."""
    reply = f"answer {number}"
    return TurnRecord(
        turn=number, caller_text=caller_text, reply_text=reply, heard_text=reply, outcome="answered", first_audio_ms=1.0
    )
