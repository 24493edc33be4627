"""The language model client of a conversation: the streaming chat API, and a stop that is verified.

The server is our own llama-server, or a remote one (`llm_endpoint`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from her_os.clients.chat_messages import chat_message, chat_tools
from her_os.clients.http_exchange import exchange_bytes, exchange_json, open_exchange
from her_os.clients.llm_endpoint import endpoint_of, running_requests
from her_os.clients.reply_stream import SERVICE, ReplyStream, error_of
from her_os.clients.slot_release import ReleaseMetrics, SlotReleaseWatch
from her_os.contracts.errors import LanguageModelError, SidecarUnavailable
from her_os.contracts.language_model import Message, ReleaseObserver, ReplyEvent, ToolSpec
from her_os.settings.schema import LanguageModel as LanguageModelSettings

log = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 3
"""On the safe side for English, for where the server cannot count."""
_SHORT_TIMEOUT_S = 5.0


class LlamaServerClient:
    """Implements `contracts.language_model.LanguageModel`. One per server and process; end it with `close`.

    A reply pinned to a slot that an earlier cancel left busy goes to whichever slot is free first: the server
    holds it back until there is one, so nothing here has to poll.

    `floor_s`: how long this machine's model needs to be free after a cancel, as measured; the budget is that and
    `release_budget_ms`. `more`: further fields of each request.
    """

    def __init__(
        self,
        settings: LanguageModelSettings,
        api_key: str,
        *,
        observer: ReleaseObserver | None = None,
        registry: CollectorRegistry | None = None,
        floor_s: float = 0.0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings, self._api_key, self._more = settings, api_key, dict(more or {})
        self._endpoint = endpoint_of(settings)
        self._streams = 0
        self.metrics = ReleaseMetrics(registry)
        self.releases = SlotReleaseWatch(
            self._is_busy,
            budget_s=floor_s + settings.release_budget_ms / 1000,
            metrics=self.metrics,
            observer=observer,
        )

    async def close(self) -> None:
        """Stop watching releases. Idempotent."""
        await self.releases.close()

    @asynccontextmanager
    async def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, slot: int = -1
    ) -> AsyncGenerator[AsyncIterator[ReplyEvent]]:
        """Stream a reply; see the contract. The context is left without waiting for anything."""
        settings, endpoint = self._settings, self._endpoint
        if endpoint.remote:
            slot = -1
        elif self.releases.is_overdue(slot):
            log.warning("slot %d is still busy with a cancelled reply; taking another", slot)
            slot = -1
        exchange = await open_exchange(SERVICE, endpoint.host, endpoint.port, tls=endpoint.tls)
        stream = ReplyStream(exchange, lambda: self.releases.taken(slot), [tool.name for tool in tools])
        self._streams += 1
        try:
            body = json.dumps(self._request(messages, tools, slot)).encode()
            exchange.send(
                "POST",
                endpoint.authority,
                f"{endpoint.base}/v1/chat/completions",
                self._api_key,
                body,
                settings.request_timeout_s,
            )
            yield stream
        finally:
            self._streams -= 1
            if stream.over or endpoint.kind == "openai":  # of which nobody can say when it has stopped
                exchange.close()
            else:
                self.releases.watch(slot, exchange)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens the messages take with the model's own template, else an estimate."""
        try:
            if self._endpoint.kind == "vllm":
                content = {"model": self._endpoint.model, "messages": [chat_message(m) for m in messages]}
                return int((await self._ask("POST", "/tokenize", content))["count"])
            if self._endpoint.kind == "openai":
                return sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN + 1
            templated = await self._ask("POST", "/apply-template", {"messages": [chat_message(m) for m in messages]})
            content = {"content": templated["prompt"], "add_special": True, "parse_special": True}
            return len((await self._ask("POST", "/tokenize", content))["tokens"])
        except (SidecarUnavailable, LanguageModelError, KeyError, TypeError) as error:
            log.debug("counting tokens by their characters: %s", error)
            return sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN + 1

    async def _is_busy(self, slot: int) -> bool:
        """One look at `/slots`, or vLLM's `/metrics`. For slot -1: whether more are busy than we have streams.

        On a remote server others' requests look like ours that did not stop; its operator will know.
        """
        if self._endpoint.kind == "vllm":
            return await self._running() > self._streams
        slots = await self._ask("GET", "/slots", None)
        try:
            busy = {int(entry["id"]): bool(entry["is_processing"]) for entry in slots}
        except (KeyError, TypeError, ValueError) as error:
            raise LanguageModelError(f"the server's /slots cannot be read: {error}") from error
        return busy.get(slot, False) if slot >= 0 else sum(busy.values()) > self._streams

    async def _running(self) -> int:
        end = self._endpoint
        status, raw = await exchange_bytes(
            SERVICE, end.host, end.port, "GET", f"{end.base}/metrics", self._api_key, None, _SHORT_TIMEOUT_S, end.tls
        )
        try:
            return running_requests(raw.decode(errors="replace"))
        except ValueError as error:
            raise LanguageModelError(f"the server's /metrics cannot be read (HTTP {status}): {error}") from error

    async def _ask(self, method: str, path: str, content: Any) -> Any:
        end = self._endpoint
        status, answer = await exchange_json(
            SERVICE, end.host, end.port, method, f"{end.base}{path}", self._api_key, content, _SHORT_TIMEOUT_S, end.tls
        )
        if status != 200:
            raise error_of(status, answer)
        return answer

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec], slot: int) -> dict[str, Any]:
        """`return_progress` makes the server write while it reads the prompt, and so notice a closed client."""
        request: dict[str, Any] = {
            "messages": [chat_message(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self._settings.temperature,
            "max_tokens": self._settings.max_tokens,
        }
        if tools:
            request["tools"] = chat_tools(tools)
        return request | self._endpoint.fields(slot) | self._more
