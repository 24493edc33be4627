"""The language stage put together: extracts, or a model's digest where one was declared fit for it."""

from __future__ import annotations

import asyncio
import logging

from her_os.contracts.language_model import Message, TextDelta
from her_os.contracts.transcripts import LanguageRequest, Progress, Summary
from her_os.settings import Secrets, Settings, load_secrets
from her_os.transcripts.extracts import extract_summary
from her_os.transcripts.worker_main import Tell

log = logging.getLogger(__name__)

_CHARACTERS_PER_TOKEN = 3
_INSTRUCTION_TOKENS = 300


def summarise(settings: Settings, request: LanguageRequest, tell: Tell) -> Summary:
    """The summary that this house can make. Blocks. Raises SidecarUnavailable, LanguageModelError."""
    if not _model_is_fit(settings) or not request.transcript.segments:
        return extract_summary(request.transcript, request.call)
    return asyncio.run(_digest(settings, load_secrets(settings.environment.secrets_file), request, tell))


def _model_is_fit(settings: Settings) -> bool:
    if not settings.transcripts.summary_model_fit:
        return False
    from her_os.engines.llama_server_command import is_embedded

    if is_embedded(settings):
        log.warning("the embedded model is not fit for summaries, whatever transcripts.summary_model_fit says")
        return False
    return True


async def _digest(settings: Settings, secrets: Secrets, request: LanguageRequest, tell: Tell) -> Summary:
    from her_os.clients.llama_server_client import LlamaServerClient
    from her_os.clients.phone_client import calls_in_progress
    from her_os.transcripts.digest import digest
    from her_os.transcripts.yielding import while_quiet

    model = LlamaServerClient(settings.llm, secrets.llm_key(settings.llm.remote))

    async def answer(system: str, user: str) -> str:
        messages = [Message("system", system), Message("user", user)]
        async with model.reply(messages, []) as events:
            return "".join([event.text async for event in events if isinstance(event, TextDelta)])

    async def complete(system: str, user: str) -> str:
        return await while_quiet(
            lambda: answer(system, user),
            lambda: calls_in_progress(settings.phone, secrets.phone_token),
            waiting=lambda: tell(Progress(step="wait for the call to end")),
        )

    tokens = settings.llm.context_tokens - settings.llm.max_tokens - _INSTRUCTION_TOKENS
    try:
        return await digest(
            request.transcript,
            complete,
            max(500, tokens * _CHARACTERS_PER_TOKEN),
            lambda done, total: tell(Progress(step="summarise", done=done, total=total)),
        )
    finally:
        await model.close()
