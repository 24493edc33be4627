"""The header fields of a SIP message: order kept, values raw, names case-insensitive, compact forms known."""

from __future__ import annotations

import re
from collections.abc import Iterator

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.lexing import is_token, split_outside

COMPACT_FORMS = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}
MAX_HEADERS = 256
MAX_VALUE_CHARS = 8192


def canonical(name: str) -> str:
    """Lower case, with a compact form replaced by its long one."""
    name = name.strip().lower()
    return COMPACT_FORMS.get(name, name)


class Headers:
    """An ordered list of (name, raw value). What was received is sent back untouched."""

    def __init__(self, items: list[tuple[str, str]] | None = None) -> None:
        self._items = list(items or [])

    def add(self, name: str, value: str) -> None:
        """Append a field. Raises ProtocolError for a value that would break the message apart."""
        if not is_token(name) or re.search(r"[\r\n]", value):
            raise ProtocolError(f"header {name!r} cannot carry this value")
        self._items.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by one, at the place of the first."""
        key = canonical(name)
        place = next((i for i, (n, _) in enumerate(self._items) if canonical(n) == key), len(self._items))
        self.remove(name)
        self.add(name, value)
        self._items.insert(place, self._items.pop())

    def remove(self, name: str) -> None:
        key = canonical(name)
        self._items = [item for item in self._items if canonical(item[0]) != key]

    def lines(self, name: str) -> list[str]:
        """Raw values of every field of that name, in order."""
        key = canonical(name)
        return [value for n, value in self._items if canonical(n) == key]

    def get(self, name: str, default: str = "") -> str:
        """Raw value of the first field of that name."""
        lines = self.lines(name)
        return lines[0] if lines else default

    def values(self, name: str) -> list[str]:
        """Elements of a comma-separated field, over all its lines, stripped."""
        found = (part.strip() for line in self.lines(name) for part in split_outside(line, ","))
        return [part for part in found if part]

    def tokens(self, name: str) -> set[str]:
        """Elements of a comma-separated field in lower case (Require, Supported)."""
        return {value.lower() for value in self.values(name)}

    def __contains__(self, name: str) -> bool:
        return bool(self.lines(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def parse_headers(lines: list[str]) -> Headers:
    """Header fields from the lines between the start line and the blank line; folded lines are joined.

    Raises ProtocolError.
    """
    items: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not items:
                raise ProtocolError("a folded line has no header before it")
            name, value = items[-1]
            items[-1] = (name, f"{value} {line.strip()}".strip())
        else:
            name, colon, value = line.partition(":")
            name = name.rstrip()
            if not colon or not is_token(name):
                raise ProtocolError(f"not a header: {line[:60]!r}")
            items.append((name, value.strip()))
        if len(items) > MAX_HEADERS or len(items[-1][1]) > MAX_VALUE_CHARS:
            raise ProtocolError("too many or too long headers")
    return Headers(items)
