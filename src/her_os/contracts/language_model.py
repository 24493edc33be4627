"""The language model as a conversation sees it: messages in, a stream of events out, a verified stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model asked for; `arguments` is its raw JSON text, not yet validated."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True):
    """One message of the history, in the shape of the OpenAI chat API."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool offered to the model; `parameters` is its JSON schema.

    One that `changes_things` is not run before it is certain that the caller has finished; one that only looks
    something up may run early.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    changes_things: bool = False


class TextDelta(msgspec.Struct, frozen=True):
    """More text of the reply."""

    text: str


class ToolCallRequest(msgspec.Struct, frozen=True):
    """A complete tool call."""

    call: ToolCall


class Finished(msgspec.Struct, frozen=True):
    """The reply is complete. `reason` as llama-server gives it: stop, length, tool_calls."""

    reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


ReplyEvent = TextDelta | ToolCallRequest | Finished


class LanguageModel(Protocol):
    """The language model client of a conversation."""

    def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, slot: int = -1
    ) -> AbstractAsyncContextManager[AsyncIterator[ReplyEvent]]:
        """Stream a reply. Leaving the context early closes the stream, which frees the server's slot.

        `slot` pins a llama-server slot; -1 lets the server choose.
        Raises SidecarUnavailable, LanguageModelError.
        """
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens the messages take, from the server's tokenizer, or an estimate (characters / 3) if it has none."""
        ...


class ReleaseObserver(Protocol):
    """Told how long a cancelled stream's slot took to be free, measured without delaying the release."""

    def on_slot_released(self, slot: int, seconds: float | None) -> None:
        """`None`: still busy past the budget."""
        ...
