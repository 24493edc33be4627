"""What the house knows of a recording: whose call it was, what was asked, what the tools did."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from her_os.contracts.transcripts import CallFacts, CallTurn
from her_os.household.call_log import find_call_of_recording
from her_os.household.contacts import ContactFile
from her_os.settings import Settings

_ABANDONED_S = 6 * 3600
"""A call that is still open after so long was cut by a crash nobody has started after."""


class CallFactFinder:
    """Asks the call log; any thread. A stranger's file gives empty facts."""

    def __init__(self, settings: Settings, contacts: ContactFile) -> None:
        self._log = settings.environment.state_dir / "calls.sqlite3"
        self._folder = settings.environment.state_dir / "recordings"
        self._assistant, self._contacts = settings.assistant.name, contacts

    def __call__(self, recording: Path) -> CallFacts:
        call = find_call_of_recording(self._log, recording)
        if call is None:
            # A house without call log still knows its own recordings: caller left, assistant right.
            ours = recording.resolve().parent == self._folder.resolve()
            return CallFacts(call_id=recording.stem, assistant_name=self._assistant) if ours else CallFacts()
        started = float(call["started_at"])
        open_for_s = time.time() - started
        return CallFacts(
            call_id=call["id"],
            started_at=started,
            caller_name=self._name(call),
            assistant_name=self._assistant,
            turns=tuple(_turn(row, started) for row in call["turns"]),
            finished=call["ended_at"] is not None or open_for_s > _ABANDONED_S,
        )

    def _name(self, call: dict[str, Any]) -> str:
        """The contact whose number called, else the name the phone gave, else its account."""
        number = _digits(re.sub(r"^sips?:|@.*$", "", call["caller_uri"]))
        for contact in self._contacts.contacts():
            if number and _digits(contact.phone) == number:
                return contact.name
        return str(call["caller_name"] or call["account"])


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _turn(row: dict[str, Any], started: float) -> CallTurn:
    interrupted = row["outcome"] == "interrupted"  # then what was not heard was not said
    return CallTurn(
        at_ms=max(0, round((row["at"] - started) * 1000)),
        caller_text=row["caller_text"],
        reply_text=row["heard_text"] if interrupted else row["heard_text"] or row["reply_text"],
        tools=tuple(row["tools"].split()),
        outcome=row["outcome"],
    )
