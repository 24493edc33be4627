"""Splitting header values at separators that stand outside quotes and angle brackets (RFC 3261, section 25)."""

from __future__ import annotations

import re

from her_os.contracts.errors import ProtocolError

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")


def is_token(text: str) -> bool:
    """Whether the text is a `token` of the grammar."""
    return bool(TOKEN.match(text))


def split_outside(text: str, separator: str) -> list[str]:
    """Split at `separator` wherever it is neither quoted nor between `<` and `>`. Parts are not stripped.

    Raises ProtocolError when a quoted string is not closed.
    """
    parts: list[str] = []
    begin, quoted, escaped, depth = 0, False, False, 0
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character == "<":
            depth += 1
        elif character == ">":
            depth = max(0, depth - 1)
        elif character == separator and depth == 0:
            parts.append(text[begin:index])
            begin = index + 1
    if quoted:
        raise ProtocolError("a quoted string is not closed")
    parts.append(text[begin:])
    return parts


def unquote(text: str) -> str:
    """A quoted string without its quotes and escapes; any other text unchanged."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def readable(text: str) -> str:
    """Raw text of a message for people and files: UTF-8, else Latin-1; without control and unprintable characters."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(character for character in text if character.isprintable()).strip()


def quote(text: str) -> str:
    """A text as a quoted string; line breaks become spaces."""
    text = re.sub(r"[\r\n]+", " ", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_parameters(parts: list[str]) -> dict[str, str]:
    """`name=value` pieces as a dictionary with lower-case names; a flag has the value ''. The first of a name wins."""
    parameters: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if name:
            parameters.setdefault(name, unquote(value))
    return parameters


def bounded_int(text: str, what: str, maximum: int) -> int:
    """Decimal digits as a number in 0..maximum. Raises ProtocolError, naming `what`."""
    number = int_or_none(text, maximum)
    if number is None:
        raise ProtocolError(f"{what} must be a number up to {maximum}, not {text.strip()[:40]!r}")
    return number


def int_or_none(text: str, maximum: int) -> int | None:
    """Decimal digits as a number in 0..maximum; None for any other text, and for more than 12 digits."""
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > maximum:
        return None
    return int(text)
