"""Arguments of a tool call that are nearly JSON, made JSON where nothing has to be guessed.

Repaired: a code fence around it, JSON inside a JSON string, a Python literal (single quotes, True, None), a comma too
many. Not repaired: what was cut off. `{"amount": 5` may have been to become 50, so it is refused.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, cast

_FENCE = re.compile(r"^```[a-z_]*\s*|\s*```$")
_COMMA_TOO_MANY = re.compile(r",(\s*[}\]])")
_LONGEST = 8192


def as_object(text: str) -> dict[str, Any] | None:
    """The object that `text` means; None where it means none for certain."""
    text = _FENCE.sub("", text.strip()).strip()
    if not text or len(text) > _LONGEST:
        return None
    for read in (_json, _json_without_commas_too_many, _python):
        value = read(text)
        if isinstance(value, str) and text[0] in "\"'":
            return as_object(value)
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
    return None


def repaired(arguments: str) -> str:
    """The arguments as JSON text of an object where that is certain; else as they are, to be refused by the tool."""
    if isinstance(_json(arguments), dict):
        return arguments
    value = as_object(arguments)
    return arguments if value is None else json.dumps(value, ensure_ascii=False)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_without_commas_too_many(text: str) -> object:
    """Only outside of strings would be certain; where a string holds `,}` the text is left alone."""
    if re.search(r'"[^"]*,\s*[}\]][^"]*"', text):
        return None
    return _json(_COMMA_TOO_MANY.sub(r"\1", text))


def _python(text: str) -> object:
    try:
        value: object = ast.literal_eval(text)
        json.dumps(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value
