"""her-os-llm where the model runs elsewhere: nothing is loaded here, the remote server is asked whether it is ready.

The conversation talks to it directly. This daemon keeps the place in the family that others wait for: `/health` is 200
once the remote server has answered with its models, and it says so when it does not any more.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from her_os.clients.http_exchange import exchange_json
from her_os.clients.llm_endpoint import endpoint_of
from her_os.contracts.errors import ConfigError, SidecarUnavailable
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)
_ASK_S, _PAUSE_S = 5.0, 2.0


async def main(settings: Settings, secrets: Secrets) -> int:
    """Serve until a signal. Raises ConfigError when the remote server refuses the key or has no such model."""
    log.warning("what callers say goes to %s, as text", settings.llm.remote)
    daemon = HttpDaemon(
        name="her-os-llm",
        host=settings.llm.host,
        port=settings.llm.port,
        token=secrets.llm_api_key,
        routes=[],
        load=lambda: wait_for_models(settings, secrets.llm_remote_api_key),
    )
    return await daemon.run()


async def wait_for_models(settings: Settings, api_key: str) -> str:
    """Ask for the models until there is an answer. Raises ConfigError."""
    endpoint, told = endpoint_of(settings.llm), ""
    while True:
        try:
            status, answer = await exchange_json(
                "remote language model", endpoint.host, endpoint.port, "GET", f"{endpoint.base}/v1/models",
                api_key, None, timeout_s=_ASK_S, tls=endpoint.tls,
            )  # fmt: skip
        except SidecarUnavailable as error:
            reason = str(error)
        else:
            if status in {401, 403}:
                raise ConfigError(
                    f"{settings.llm.remote} refuses our key (HTTP {status}); write HER_OS_LLM_REMOTE_API_KEY=... into "
                    "the secrets file",
                    file=settings.source,
                    field="llm.remote",
                )
            if status == 200:
                return _found(settings, _names(answer))
            reason = f"HTTP {status}"
        if reason != told:
            log.warning("waiting for %s: %s", settings.llm.remote, reason)
            told = reason
        await asyncio.sleep(_PAUSE_S)


class _Model(msgspec.Struct):
    id: str = ""


class _Models(msgspec.Struct):
    data: list[_Model] = []


def _names(answer: object) -> list[str]:
    try:
        return [model.id for model in msgspec.convert(answer, _Models).data]
    except msgspec.ValidationError:
        return []


def _found(settings: Settings, names: list[str]) -> str:
    wanted = settings.llm.remote_model
    if wanted and names and wanted not in names:
        raise ConfigError(
            f"is {wanted!r}; {settings.llm.remote} has: {', '.join(names)}",
            file=settings.source,
            field="llm.remote_model",
        )
    return f"{wanted or 'its model'} at {settings.llm.remote}"
