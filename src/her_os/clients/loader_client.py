"""How the CLI reaches the loader: one request, one answer."""

from __future__ import annotations

import aiohttp
import msgspec

from her_os.contracts.errors import AuthError, HerOsError, SidecarUnavailable
from her_os.contracts.loader_status import ServiceStatus, SystemStatus

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=1.0, sock_read=5.0)
_RESTART_TIMEOUT = aiohttp.ClientTimeout(total=600, sock_connect=1.0)


class LoaderRefused(HerOsError):
    """The loader answered, and said no."""

    code = "loader_refused"


class _Lines(msgspec.Struct):
    lines: list[str]


class _Detail(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Detail


class LoaderClient:
    """Every method raises SidecarUnavailable where no loader answers, AuthError, LoaderRefused."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url, self._headers = base_url, {"Authorization": f"Bearer {token}"}

    async def status(self) -> SystemStatus:
        return msgspec.json.decode(await self._ask("GET", "/v1/status", _TIMEOUT), type=SystemStatus)

    async def restart(self, name: str) -> ServiceStatus:
        """Returns when the service is ready again, or down."""
        return msgspec.json.decode(await self._ask("POST", f"/v1/restart/{name}", _RESTART_TIMEOUT), type=ServiceStatus)

    async def logs(self, name: str, lines: int) -> list[str]:
        body = await self._ask("GET", f"/v1/logs/{name}?lines={lines}", _TIMEOUT)
        return msgspec.json.decode(body, type=_Lines).lines

    async def _ask(self, method: str, path: str, timeout: aiohttp.ClientTimeout) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=timeout) as http,
                http.request(method, self._base_url + path) as response,
            ):
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SidecarUnavailable("loader", f"does not answer on {self._base_url}; is her-os running?") from error
        if response.status in {401, 403} and b'"error"' not in body:
            raise AuthError("the loader does not know our token; is this the secrets file it was started with?")
        if response.status >= 400:
            raise LoaderRefused(_reason(body))
        return body


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error.message
    except msgspec.MsgspecError:
        return body.decode(errors="replace")[:300]
