"""Asks the model while the caller may still go on, and gives the answer only to the very words it was asked for.

Nothing of an early reply is spoken and none of its tools is run: its events wait here. One for other words is closed,
which frees the server's slot like any interrupted reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from her_os.contracts.language_model import LanguageModel, Message, ReplyEvent, ToolSpec


class EarlyReplies:
    """LanguageModel of one call, over another. Event loop only."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._early: _EarlyReply | None = None

    def begin(self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, slot: int) -> None:
        """Ask now what will probably be asked soon. One for other messages is given up."""
        asked = (list(messages), list(tools), slot)
        if self._early is not None and self._early.asked == asked:
            return
        self.give_up()
        self._early = _EarlyReply(self._model, asked)

    def give_up(self) -> None:
        """The caller went on, or the call is over."""
        early, self._early = self._early, None
        if early is not None:
            early.task.cancel()

    @asynccontextmanager
    async def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, slot: int = -1
    ) -> AsyncGenerator[AsyncIterator[ReplyEvent]]:
        """See LanguageModel. What was begun for the same messages goes on; else it is closed first."""
        early, self._early = self._early, None
        try:
            if early is not None and early.asked == (list(messages), list(tools), slot):
                yield early.events()
                return
        finally:
            if early is not None:
                early.task.cancel()
                await asyncio.wait({early.task})
        async with self._model.reply(messages, tools, slot=slot) as events:
            yield events

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """See LanguageModel."""
        return await self._model.count_tokens(messages)


class _EarlyReply:
    """A reply being collected by a task of its own."""

    def __init__(self, model: LanguageModel, asked: tuple[list[Message], list[ToolSpec], int]) -> None:
        self.asked = asked
        self._collected: asyncio.Queue[ReplyEvent | None] = asyncio.Queue()
        self.task = asyncio.create_task(self._collect(model), name=f"early reply in slot {asked[2]}")
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # told by `events`, or to nobody

    async def events(self) -> AsyncGenerator[ReplyEvent]:
        """All of it, from its beginning. Raises what the model raised."""
        while (event := await self._collected.get()) is not None:
            yield event
        await self.task

    async def _collect(self, model: LanguageModel) -> None:
        messages, tools, slot = self.asked
        try:
            async with model.reply(messages, tools, slot=slot) as events:
                async for event in events:
                    self._collected.put_nowait(event)
        finally:
            self._collected.put_nowait(None)
