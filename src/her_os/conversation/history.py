"""What was said in a call, as the model is told: the caller's words, and what the caller really heard.

Compaction keeps names and open tasks: when the history takes more than its budget, the oldest exchanges go and
the facts found in them stay as one line of the system message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from her_os.contracts.language_model import Message
from her_os.conversation.names import caller_name, people_in

CUT = "—"
"""Marks a reply that the caller interrupted."""


class History:
    """The messages of one call.

    For compaction, `open_tasks` names what is still running (timers), `known_people` the household's contacts.
    With `alternating` the roles take turns, as the templates of many models insist: what was said before the caller's
    first words goes into the system message, neighbours of one role become one.
    """

    def __init__(
        self,
        system: str,
        open_tasks: Callable[[], Sequence[str]] = tuple,
        known_people: Sequence[str] = (),
        *,
        alternating: bool = False,
    ) -> None:
        self._alternating = alternating
        self._system, self._open_tasks, self._known_people = system, open_tasks, known_people
        self._messages: list[Message] = []
        self._caller, self._people = "", dict[str, None]()
        self._compacted = False

    def messages(self, caller: str = "") -> list[Message]:
        """The system message and everything since, oldest first; with `caller`, as if they had said that now."""
        messages = _with_caller(self._messages, caller) if caller else self._messages
        if self._alternating:
            return _alternate(self._system_text(), messages)
        return [Message("system", self._system_text()), *messages]

    @property
    def unanswered(self) -> str:
        """What the caller said last, where nothing has been said to it yet."""
        last = self._messages[-1] if self._messages else None
        return last.content if last is not None and last.role == "user" else ""

    def add_caller(self, text: str) -> None:
        """The caller said something. Words after a reply that was never heard join the words before it."""
        self._messages = _with_caller(self._messages, text)

    def add_tool_messages(self, messages: Sequence[Message]) -> None:
        """Tool calls and their results, in order. Words said beside a call are part of the reply, as far as heard."""
        self._messages += [msgspec.structs.replace(m, content="") if m.tool_calls else m for m in messages]

    def add_reply(self, heard: str, *, whole: bool) -> None:
        """The assistant spoke; `heard` is what arrived. Nothing heard leaves no trace."""
        if heard:
            self._messages.append(Message("assistant", heard if whole else f"{heard}{CUT}"))

    def characters(self) -> int:
        """Size of all messages, for a first estimate of their tokens."""
        return sum(len(message.content) for message in self.messages())

    def compact(self, keep_exchanges: int = 2) -> bool:
        """Drop all but the last exchanges, keeping the facts. True when something was dropped."""
        starts = [index for index, message in enumerate(self._messages) if message.role == "user"]
        if len(starts) <= keep_exchanges:
            return False
        cut = starts[-keep_exchanges]
        for message in self._messages[:cut]:
            self._remember(message)
        del self._messages[:cut]
        self._compacted = True
        return True

    def _remember(self, message: Message) -> None:
        if message.role == "user":
            self._caller = caller_name(message.content) or self._caller
            self._people |= dict.fromkeys(people_in(message.content, self._known_people))

    def _system_text(self) -> str:
        if not self._compacted:
            return self._system
        facts = [self._system]
        if self._caller:
            facts.append(f"The caller's name is {self._caller}.")
        if self._people:
            facts.append(f"They spoke of {', '.join(self._people)}.")
        return " ".join([*facts, *(f"Running: {task}." for task in self._open_tasks())])


def _with_caller(messages: Sequence[Message], text: str) -> list[Message]:
    if messages and messages[-1].role == "user":
        return [*messages[:-1], Message("user", f"{messages[-1].content} {text}")]
    return [*messages, Message("user", text)]


def _alternate(system: str, messages: Sequence[Message]) -> list[Message]:
    first = next((at for at, message in enumerate(messages) if message.role == "user"), len(messages))
    said = " ".join(message.content for message in messages[:first] if message.role == "assistant")
    result = [Message("system", f"{system} You have just said: {said}" if said else system)]
    for message in messages[first:]:
        last = result[-1]
        if message.role == last.role and message.role != "tool" and not last.tool_calls and not message.tool_calls:
            result[-1] = Message(last.role, f"{last.content} {message.content}")
        else:
            result.append(message)
    return result
