"""One streamed chat completion of llama-server, read as reply events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from her_os.clients.http_exchange import ExchangeCut, HttpExchange, decode_json
from her_os.clients.server_sent_events import EventParser
from her_os.clients.spoken_text import SpokenText
from her_os.clients.tool_call_assembly import ToolCallAssembly, ToolCallPiece
from her_os.contracts.errors import ContextOverflowError, LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import Finished, ReplyEvent, ToolCallRequest

SERVICE = "language model"
_END = "[DONE]"


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    tool_calls: tuple[ToolCallPiece, ...] | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(msgspec.Struct, frozen=True):
    """`delta.reasoning_content` is left out on purpose: a thought is never spoken."""

    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: dict[str, Any] | None = None


class _ErrorDetail(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""


class _ErrorAnswer(msgspec.Struct, frozen=True):
    error: _ErrorDetail = _ErrorDetail()


class ReplyStream:
    """An async iterator of reply events. `over` tells that the server has nothing left to do for it.

    `tools`: names of those offered.

    Raises SidecarUnavailable (not ready, gone before it answered, silent too long), ContextOverflowError,
    LanguageModelError (refused, failed, cut in the middle).
    """

    def __init__(self, exchange: HttpExchange, begun: Callable[[], None], tools: Iterable[str] = ()) -> None:
        self._exchange, self._begun = exchange, begun
        self._spoken = SpokenText(tools)
        self._answered = False
        self._parser, self._calls = EventParser(), ToolCallAssembly()
        self._events: deque[ReplyEvent] = deque()
        self._reason, self._usage = "", _Usage()
        self.over = False

    def __aiter__(self) -> ReplyStream:
        return self

    async def __anext__(self) -> ReplyEvent:
        while not self._events:
            if self.over:
                raise StopAsyncIteration
            await self._read()
        return self._events.popleft()

    async def _read(self) -> None:
        try:
            if not self._answered:
                await self._read_status()
            chunk = await self._exchange.read()
        except ExchangeCut as error:
            self.over = True
            if not self._answered:
                raise
            raise LanguageModelError(f"the reply was cut in the middle: {error}") from error
        if not chunk:
            self.over = True
            raise LanguageModelError("the reply ended in the middle; see the log of the language model server")
        for data in self._parser.feed(chunk):
            if data == _END:
                return self._finish()
            self._take(data)

    async def _read_status(self) -> None:
        status = await self._exchange.status()
        self._answered = True
        if status != 200:
            self.over = True
            raise error_of(status, decode_json(await self._exchange.read_all()))
        self._begun()

    def _take(self, data: str) -> None:
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except msgspec.MsgspecError as error:
            raise LanguageModelError(f"the server sent what is no chat chunk: {error}") from error
        if chunk.error is not None:
            self.over = True
            raise error_of(int(chunk.error.get("code", 500)), {"error": chunk.error})
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.delta.content:
                self._events.extend(self._spoken.feed(choice.delta.content))
            calls = self._calls.add(choice.delta.tool_calls or ())
            self._events.extend(ToolCallRequest(call) for call in calls)
            self._reason = choice.finish_reason or self._reason

    def _finish(self) -> None:
        self._events.extend(self._spoken.finish())
        self._events.extend(ToolCallRequest(call) for call in self._calls.finish())
        self._events.append(Finished(self._reason, self._usage.prompt_tokens, self._usage.completion_tokens))
        self.over = True


def error_of(status: int, answer: Any) -> SidecarUnavailable | LanguageModelError:
    """The error that an answer other than 200 means. `answer` is llama-server's JSON: `{error: {message, type}}`."""
    try:
        detail = msgspec.convert(answer, _ErrorAnswer).error
    except msgspec.ValidationError:
        detail = _ErrorDetail()
    message = detail.message or f"HTTP status {status}"
    if detail.type == "exceed_context_size_error":
        return ContextOverflowError(message)
    if status == 503:
        return SidecarUnavailable(SERVICE, f"is not ready: {message}")
    if status == 401:
        return LanguageModelError(f"the server refused our API key ({message}); do both read the same secrets file?")
    return LanguageModelError(f"the server refused the request: {message}")
