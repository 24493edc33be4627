"""Markdown to plain words, each character knowing where it came from.

Parsed with mistune, whose syntax tree has no positions: the texts of its leaves come in the order of the
source, so each is found again from where the last one ended. A caller cannot see layout: headings and list
items become sentences, a link is its text, a picture its description, a fenced block of code is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

import mistune

CODE_LEFT_OUT = "Some code, which I leave out here."

_MARKUP = re.compile(r"[*_`\[\]|<>\\&]|~~|^\s*(?:#{1,6}\s|[-+]\s|\d{1,2}[.)]\s|[-=]{3,}\s*$)", re.MULTILINE)
_PARSE = mistune.create_markdown(renderer=None, plugins=["table", "strikethrough"])
_ENDED = tuple(".!?:;,\u2026")
_LARGEST_ITEM = 99
"""A line that begins with a larger number and a full stop is a sentence that ends with a number, no list item."""

Token = dict[str, Any]


class PlainText:
    """Text under construction. `origin[i]` is the source index of character i, `origin_end[i]` the one after it."""

    def __init__(self, source: str) -> None:
        self._source, self._cursor = source, 0
        self._parts: list[str] = []
        self.origin: list[int] = []
        self.origin_end: list[int] = []

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def copy(self, raw: str) -> None:
        """Append words of the source. What was escaped there and cannot be found keeps the last position."""
        at = self._source.find(raw, self._cursor)
        if at < 0:
            self.insert(raw)
            return
        self._parts.append(raw)
        self.origin.extend(range(at, at + len(raw)))
        self.origin_end.extend(range(at + 1, at + len(raw) + 1))
        self._cursor = at + len(raw)

    def insert(self, text: str) -> None:
        """Append words that the source does not have."""
        self._parts.append(text)
        self.origin.extend([self._cursor] * len(text))
        self.origin_end.extend([self._cursor] * len(text))

    def end_sentence(self) -> None:
        """Close what reads as a sentence, and part it from what follows."""
        text = self.text.rstrip()
        if text:
            self.insert(" " if text.endswith(_ENDED) else ". ")


def strip_markup(source: str) -> PlainText:
    """The words of a Markdown text. Text without markup is passed on as it is."""
    plain = PlainText(source)
    if not _MARKUP.search(source):
        plain.copy(source)
        return plain
    tokens = cast("list[Token]", _PARSE(source))
    _walk([token for token in tokens if token["type"] != "blank_line"], plain)
    return plain


def _walk(tokens: Iterable[Token], plain: PlainText) -> None:
    blocks = list(tokens)
    for index, token in enumerate(blocks):
        _say(token, plain)
        if token["type"] in {"paragraph", "block_quote"} and index + 1 < len(blocks):
            plain.end_sentence()


def _say(token: Token, plain: PlainText) -> None:
    kind = token["type"]
    children = cast("list[Token]", token.get("children", []))
    if kind in {"text", "codespan"}:
        plain.copy(token["raw"])
    elif kind in {"softbreak", "linebreak"}:
        plain.insert(" ")
    elif kind == "block_code":
        _say_code(token, plain)
    elif kind == "list":
        _say_list(token, plain)
    elif kind in {"heading", "table_row", "table_head"}:
        _walk(children, plain)
        plain.end_sentence()
    elif kind == "table_cell":
        if plain.text and not plain.text.endswith((" ", "\n")):
            plain.insert(", ")
        _walk(children, plain)
    elif kind in {"thematic_break", "blank_line", "block_html", "inline_html"}:
        plain.insert(" ")
    else:
        _walk(children, plain)


def _say_code(token: Token, plain: PlainText) -> None:
    """An indented block is most often a text that was merely indented; a fenced one is code."""
    if token.get("style") == "indent":
        plain.copy(token["raw"].strip("\n"))
        return
    plain.insert(CODE_LEFT_OUT)
    plain.end_sentence()


def _say_list(token: Token, plain: PlainText) -> None:
    attributes = token.get("attrs", {})
    number = int(attributes.get("start", 1)) if attributes.get("ordered") else None
    for item in cast("list[Token]", token["children"]):
        if number is not None:
            plain.copy(str(number))
            plain.insert(". " if number > _LARGEST_ITEM else ", ")
            number += 1
        _walk([child for child in item["children"] if child["type"] != "blank_line"], plain)
        plain.end_sentence()
