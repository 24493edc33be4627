"""From a caller's words to spoken words: model stream, tools, sentences, in one cancellable run."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

import msgspec

from her_os.contracts.errors import CancelledTurn, ContextOverflowError
from her_os.contracts.language_model import LanguageModel, Message, TextDelta, ToolCall, ToolCallRequest, ToolSpec
from her_os.conversation.early_reply import EarlyReplies
from her_os.conversation.history import History
from her_os.conversation.sentences import SentenceChunk, SentenceCutter

log = logging.getLogger(__name__)

MAX_TOOL_ROUNDS = 4
_NOT_RUN = '{"error": "cancelled", "say": ""}'


class Toolbox(Protocol):
    """The tools of one call."""

    @property
    def specs(self) -> Sequence[ToolSpec]: ...

    async def run(self, call: ToolCall) -> str:
        """Run a call; its result as JSON text, failures included (in words for the caller)."""
        ...


@dataclass
class Thought:
    """What a turn's thinking did so far.

    `is_current` tells whether the turn still stands: else no tool is run. `until_certain` returns once the caller
    cannot be going on any more; before that an answer is a guess, and nothing it asks for may change anything.
    """

    is_current: Callable[[], bool]
    until_certain: Callable[[], Awaitable[None]]
    tools: list[str] = field(default_factory=list[str])
    messages: list[Message] = field(default_factory=list[Message])
    """Tool calls and results, to enter the history whether or not the reply is heard to its end."""


class _ToolAnswer(msgspec.Struct):
    """The part of a tool's result that is meant for the caller."""

    say: str = ""


class Thinker:
    """Streams the reply to a history as speakable chunks, running tools on the way.

    With `say_results` what a tool says is spoken as it is: a tiny model that had to repeat it would now and then
    change a number. Without, the model is asked again and words the answer itself.
    """

    def __init__(
        self, model: LanguageModel, toolbox: Toolbox, *, slot: int, token_budget: int, say_results: bool = False
    ) -> None:
        self._model, self._toolbox, self._slot, self._budget = EarlyReplies(model), toolbox, slot, token_budget
        self._say_results = say_results

    def think_ahead(self, history: History, caller: str) -> None:
        """The caller has probably finished with these words: let the model begin. `think` takes it up if they have."""
        self._model.begin(history.messages(caller), self._toolbox.specs, slot=self._slot)

    def give_up_thinking_ahead(self) -> None:
        """The caller went on, or the call is over."""
        self._model.give_up()

    async def think(self, history: History, thought: Thought) -> AsyncGenerator[SentenceChunk]:
        """Chunks of the reply, in order. Raises SidecarUnavailable, LanguageModelError.

        Messages that do not fit into the model's context after all are compacted to the last exchange, once.
        """
        await self._keep_within_budget(history)
        cutter = SentenceCutter()
        for _ in range(MAX_TOOL_ROUNDS):
            calls: list[ToolCall] = []
            said = ""
            messages = [*history.messages(), *thought.messages]
            try:
                async with self._model.reply(messages, self._toolbox.specs, slot=self._slot) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            said += event.text
                            for chunk in cutter.feed(event.text):
                                yield chunk
                        elif isinstance(event, ToolCallRequest):
                            calls.append(event.call)
            except ContextOverflowError:
                if not history.compact(keep_exchanges=1):
                    raise
                log.warning("the call outgrew the model's context; going on with the last exchange")
                continue
            for chunk in cutter.flush():
                yield chunk
            if not calls:
                return
            answers = await self._run_tools(calls, said, thought)
            fresh = [answer for answer in answers if answer and answer not in said]
            if said.strip():
                cutter.feed(" ")
            if self._say_results or not fresh:
                for chunk in [*cutter.feed(" ".join(fresh)), *cutter.flush()]:
                    yield chunk
                return

    async def _run_tools(self, calls: list[ToolCall], said: str, thought: Thought) -> list[str]:
        """Run the calls of one round in order; what each has to say.

        Every call gets a result, also one that an interruption kept from running: templates insist on it.
        """
        results: list[str] = []
        try:
            for call in calls:
                if self._changes_things(call):
                    await thought.until_certain()
                if not thought.is_current():
                    raise CancelledTurn("no tool is run for a turn that is over")
                thought.tools.append(call.name)
                results.append(await self._toolbox.run(call))
        finally:
            thought.messages.append(Message("assistant", said, tool_calls=tuple(calls)))
            for call, result in zip_longest(calls, results, fillvalue=None):
                assert call is not None
                thought.messages.append(Message("tool", result or _NOT_RUN, tool_call_id=call.id))
        return [msgspec.json.decode(result, type=_ToolAnswer).say for result in results]

    def _changes_things(self, call: ToolCall) -> bool:
        return next((spec.changes_things for spec in self._toolbox.specs if spec.name == call.name), True)

    async def _keep_within_budget(self, history: History) -> None:
        while history.characters() / 3 > self._budget:  # three characters a token is on the safe side: ask
            if await self._model.count_tokens(history.messages()) <= self._budget or not history.compact():
                return
            log.info("history compacted")
