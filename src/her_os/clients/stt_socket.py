"""One connection to the speech-to-text daemon: connect, authenticate, start; frames out, results in; errors as ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import aiohttp
import msgspec

from her_os.clients.network_errors import in_words
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import AuthError, CapacityError, SidecarUnavailable
from her_os.contracts.speech_to_text import (
    CLOSE_BAD_AUTH,
    CLOSE_SESSION_CAP,
    Auth,
    ClientMessage,
    ErrorMessage,
    Ready,
    ServerMessage,
    Start,
)

SERVICE = "stt"
_CONNECT_S = 2.0
_CLOSE_S = 0.5
_HEARTBEAT_S = 20.0
"""The daemon answers a ping when it has taken all audio before it, so this must outlast a replay."""
_MOST_BYTES = 1 << 20
_decode = msgspec.json.Decoder(ServerMessage).decode
_encode = msgspec.json.Encoder().encode


class SttConnection:
    """An open, authenticated socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._complaint = ""

    async def send(self, message: ClientMessage) -> None:
        """Raises SidecarUnavailable."""
        with _as_unavailable():
            await self._socket.send_str(_encode(message).decode())

    async def send_audio(self, pcm: bytes) -> None:
        """Returns when the socket took it: a slow engine holds us here. Raises SidecarUnavailable."""
        with _as_unavailable():
            await self._socket.send_bytes(pcm)

    async def receive(self) -> ServerMessage:
        """The next result. Raises SidecarUnavailable, CapacityError, AuthError when the socket was closed."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise self._closed(message)
            try:
                result = _decode(message.data)
            except msgspec.MsgspecError as error:
                raise SidecarUnavailable(SERVICE, f"sent what we do not understand: {error}") from error
            if not isinstance(result, ErrorMessage):
                return result
            self._complaint = f"{result.code}: {result.message}"

    def _closed(self, message: aiohttp.WSMessage) -> SidecarUnavailable | CapacityError | AuthError:
        code = message.data if message.type is aiohttp.WSMsgType.CLOSE else self._socket.close_code
        if code == CLOSE_BAD_AUTH:
            return AuthError(f"{SERVICE}: refused our token; both sides must read the same HER_OS_STT_TOKEN")
        if code == CLOSE_SESSION_CAP:
            return CapacityError(f"{SERVICE}: {self._complaint or 'all sessions are in use'}")
        return SidecarUnavailable(SERVICE, self._complaint or f"closed the connection ({code})")


@contextlib.asynccontextmanager
async def connect(
    http: aiohttp.ClientSession, url: str, token: str, session_id: str, language: str, ready_s: float
) -> AsyncGenerator[SttConnection]:
    """An open session; leaving closes it. `ready_s` bounds the wait for the daemon's model.

    Raises SidecarUnavailable, CapacityError, AuthError.
    """
    timeout = cast(Any, aiohttp.ClientWSTimeout)(ws_close=_CLOSE_S)  # attrs: its fields are unknown to the checker
    with _as_unavailable(f"did not take the connection within {_CONNECT_S:g} s"):
        async with asyncio.timeout(_CONNECT_S):
            socket = await http.ws_connect(url, timeout=timeout, heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_BYTES)
    try:
        connection = SttConnection(socket)
        await connection.send(Auth(token))
        await connection.send(Start(session_id, CONVERSATION_RATE, language))
        with _as_unavailable(f"was not ready within {ready_s:g} s; is its model still loading?"):
            async with asyncio.timeout(ready_s):
                message = await connection.receive()
        if not isinstance(message, Ready):
            raise SidecarUnavailable(SERVICE, "did not begin with ready")
        yield connection
    finally:
        await socket.close()


@contextlib.contextmanager
def _as_unavailable(timed_out: str = "does not answer") -> Generator[None]:
    """The library's errors as ours; `timed_out` says what did not come in time."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        raise SidecarUnavailable(SERVICE, in_words(error, timed_out)) from error
