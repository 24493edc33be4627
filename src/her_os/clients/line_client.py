"""The far end of the phone daemon's line WebSocket: a call from this room (contracts.line_socket)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from her_os.clients.network_errors import in_words
from her_os.contracts.errors import AuthError, CapacityError, SidecarUnavailable
from her_os.contracts.line_socket import CLOSE_BUSY, FarMessage, Hangup, LineReady, OurMessage, StartLine
from her_os.contracts.speech_to_text import CLOSE_BAD_AUTH, Auth

SERVICE = "phone"
_CONNECT_S = 2.0
_READY_S = 5.0
_CLOSE_S = 0.5
_HEARTBEAT_S = 20.0
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(OurMessage).decode


class LineConnection:
    """One call. `send` and `tell` may be called from one task while another receives."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.call_id = ""

    async def send(self, pcm: bytes) -> None:
        """Sound of the room. Raises SidecarUnavailable."""
        try:
            await self._socket.send_bytes(pcm)
        except (aiohttp.ClientError, OSError) as error:
            raise SidecarUnavailable(SERVICE, in_words(error)) from error

    async def tell(self, message: FarMessage) -> None:
        """Raises SidecarUnavailable."""
        try:
            await self._socket.send_str(_encode(message).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise SidecarUnavailable(SERVICE, in_words(error)) from error

    async def receive(self) -> bytes | OurMessage:
        """The next frame or message; Hangup when the call is over. Raises SidecarUnavailable."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            try:
                return _decode(message.data)
            except msgspec.MsgspecError as error:
                raise SidecarUnavailable(SERVICE, f"sent what we do not understand: {error}") from error
        code = self._socket.close_code
        if code == 1000:
            return Hangup("the call is over")
        raise SidecarUnavailable(SERVICE, f"closed the line ({code})")

    async def wait_ready(self) -> None:
        """Raises CapacityError with the reason when the call is refused, AuthError, SidecarUnavailable."""
        try:
            async with asyncio.timeout(_READY_S):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise SidecarUnavailable(SERVICE, f"did not take the call within {_READY_S:.0f} s") from error
        if message.type is aiohttp.WSMsgType.TEXT and isinstance(ready := _decode(message.data), LineReady):
            self.call_id = ready.call_id
            return
        code, reason = self._socket.close_code, str(message.extra or message.data or "")
        if code == CLOSE_BAD_AUTH:
            raise AuthError(f"{SERVICE}: refused our token; both must read the same HER_OS_PHONE_TOKEN")
        if code == CLOSE_BUSY or message.type is aiohttp.WSMsgType.TEXT:
            raise CapacityError(f"{SERVICE}: takes no call now: {reason}")
        raise SidecarUnavailable(SERVICE, f"closed the line ({code})")


@asynccontextmanager
async def open_line(url: str, token: str, start: StartLine) -> AsyncGenerator[LineConnection]:
    """A call that somebody holds. Raises CapacityError, AuthError, SidecarUnavailable."""
    timeout = aiohttp.ClientWSTimeout(ws_close=_CLOSE_S)  # pyright: ignore[reportCallIssue] - attrs class
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)) as http:
        try:
            socket = await http.ws_connect(url, heartbeat=_HEARTBEAT_S, timeout=timeout, compress=0)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SidecarUnavailable(SERVICE, in_words(error)) from error
        try:
            await socket.send_str(_encode(Auth(token)).decode())
            await socket.send_str(_encode(start).decode())
            connection = LineConnection(socket)
            await connection.wait_ready()
            yield connection
        finally:
            await socket.close()
