"""Puts tool calls together that a stream brings in pieces: name and id first, arguments a few characters at a time.

Arguments that are nearly JSON are repaired where nothing has to be guessed (`tool_call_repair`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from her_os.clients.tool_call_repair import repaired
from her_os.contracts.language_model import ToolCall


class FunctionPiece(msgspec.Struct, frozen=True):
    """Part of a call's function."""

    name: str | None = None
    arguments: str | None = None


class ToolCallPiece(msgspec.Struct, frozen=True):
    """One element of `delta.tool_calls`. Pieces of the same call carry the same index."""

    index: int = 0
    id: str | None = None
    function: FunctionPiece | None = None


@dataclass
class _Partial:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCallAssembly:
    """The calls of one reply."""

    def __init__(self) -> None:
        self._partials: dict[int, _Partial] = {}

    def add(self, pieces: Sequence[ToolCallPiece]) -> list[ToolCall]:
        """Take pieces. Returns the calls that are complete, because a later one has begun."""
        complete: list[ToolCall] = []
        for piece in pieces:
            if piece.index not in self._partials:
                complete += self.finish()
            partial = self._partials.setdefault(piece.index, _Partial())
            partial.id = partial.id or piece.id or ""
            if piece.function is not None:
                partial.name += piece.function.name or ""
                partial.arguments += piece.function.arguments or ""
        return complete

    def finish(self) -> list[ToolCall]:
        """The calls not yet returned: no more pieces will come for them."""
        calls = [
            ToolCall(partial.id or f"call-{index}", partial.name, repaired(partial.arguments) or "{}")
            for index, partial in self._partials.items()
        ]
        self._partials.clear()
        return calls
