"""Looking up a phone number by a name that a recogniser may have misheard."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from her_os.contracts.errors import ToolError
from her_os.contracts.language_model import ToolSpec
from her_os.conversation.tools.registry import Arguments, ToolResult, checked
from her_os.conversation.tools.spoken_numbers import say_digits, say_list

_SIMILAR = 0.75
"""How alike (0..1, difflib) a heard name must be to a known one."""


class Contact(Protocol):
    """A person one can call."""

    @property
    def name(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def aliases(self) -> Sequence[str]: ...


class ContactBook(Protocol):
    """The household's contacts."""

    def contacts(self) -> Sequence[Contact]: ...


class Wanted(Arguments, frozen=True):
    """Whom the caller asked for."""

    name: str


class FindContact:
    """`find_contact {name}`: "Anna is at five five five, one two three."."""

    spec = ToolSpec(
        "find_contact",
        "A person's phone number.",
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    )

    def __init__(self, book: ContactBook) -> None:
        self._book = book

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        name = checked(arguments, Wanted).name.strip()
        if not name:
            raise ToolError("no name", say="Whose number would you like?")
        found = find(name, self._book.contacts())
        if not found:
            raise ToolError("no such contact", say=f"I could not find {name.title()} in your contacts.")
        if len(found) > 1:
            names = say_list([contact.name for contact in found])
            raise ToolError("several contacts", say=f"I found {names}. Which one do you mean?")
        contact = found[0]
        return ToolResult(f"{contact.name} is at {say_digits(contact.phone)}.")


def find(name: str, contacts: Sequence[Contact]) -> list[Contact]:
    """The contacts a heard name may mean: those that bear it, else those that sound like it; several if it is open."""
    heard = _key(name)
    exact = [contact for contact in contacts if heard in _names(contact)]
    if exact:
        return exact
    scores = {id(contact): _likeness(heard, contact) for contact in contacts}
    best = max(scores.values(), default=0.0)
    return [contact for contact in contacts if scores[id(contact)] == best] if best >= _SIMILAR else []


def _likeness(heard: str, contact: Contact) -> float:
    return max(difflib.SequenceMatcher(None, heard, known).ratio() for known in _names(contact) or {""})


def _names(contact: Contact) -> set[str]:
    """Every way to name someone: whole name, aliases, and the first name."""
    whole = _key(contact.name)
    names = {whole, whole.split(" ")[0], *(_key(alias) for alias in contact.aliases)}
    return names - {""}


def _key(name: str) -> str:
    """Lower case, letters and single spaces only, no possessive: "Anna's" is "anna"."""
    name = re.sub(r"['’]s\b", "", name.lower())
    return " ".join(re.findall(r"[^\W\d_]+", name))
