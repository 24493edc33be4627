"""`GET /v1/line` of the phone daemon: one WebSocket is one call (contracts.line_socket)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import ClientConnectionResetError, WSMsgType, web

from her_os.contracts.errors import HerOsError, ProtocolError
from her_os.contracts.line_socket import CLOSE_BUSY, CLOSE_WRONG_FRAME, FarMessage, StartLine
from her_os.service.websocket_auth import authenticate
from her_os.telephony.line_socket.line import Outgoing, SocketLine

log = logging.getLogger(__name__)
PATH = "/v1/line"
START_WITHIN_S = 5.0
_HEARTBEAT_S = 20.0
_CLOSE_TIMEOUT_S = 1.0
_MAX_MESSAGE_BYTES = 65_536
_encode = msgspec.json.Encoder().encode
_decode: Callable[[str], FarMessage] = msgspec.json.Decoder(FarMessage).decode
Hold = Callable[[SocketLine], Awaitable[object]]


class LineSocket:
    """Serves connections. `hold` owns each call: it raises CapacityError and the like before it answers."""

    def __init__(self, hold: Hold, token: str) -> None:
        self._hold, self._token = hold, token
        self._lines: set[SocketLine] = set()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from the handshake to the close."""
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S, heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_MESSAGE_BYTES, compress=False
        )
        await socket.prepare(request)
        with contextlib.suppress(ClientConnectionResetError):
            if await authenticate(socket, self._token):
                start = await _start(socket)
                if start is None:
                    await socket.close(code=CLOSE_WRONG_FRAME, message=b"start must follow auth")
                else:
                    await self._converse(socket, start)
        return socket

    async def stop(self) -> None:
        """Hang up every call."""
        for line in list(self._lines):
            await line.hang_up("we are shutting down")

    async def _converse(self, socket: web.WebSocketResponse, start: StartLine) -> None:
        async def send(item: Outgoing) -> None:
            if isinstance(item, bytes):
                await socket.send_bytes(item)
            else:
                await socket.send_str(_encode(item).decode())

        line = SocketLine(start, send)
        self._lines.add(line)
        holding = asyncio.create_task(self._look_after(line), name=f"call {line.call_id}")
        writing = asyncio.create_task(line.write(), name=f"write {line.call_id}")
        reading = asyncio.create_task(_read(socket, line), name=f"read {line.call_id}")
        tasks = {holding, writing, reading}
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            line.gone()
            self._lines.discard(line)
            await asyncio.wait({holding})
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        code, why = holding.result() if not holding.cancelled() else (1011, "the call failed")
        await socket.close(code=code, message=why.encode()[:120])

    async def _look_after(self, line: SocketLine) -> tuple[int, str]:
        """Hold the call; the close code and reason that follow from it."""
        try:
            await self._hold(line)
        except HerOsError as error:
            log.info("call %s refused: %s", line.call_id, error.message)
            return CLOSE_BUSY, error.message
        except Exception:
            log.exception("call %s failed", line.call_id)
            return 1011, "the call failed"
        finally:
            await line.hang_up("the conversation is over")
        return 1000, line.ended_reason or ""


async def _start(socket: web.WebSocketResponse) -> StartLine | None:
    try:
        async with asyncio.timeout(START_WITHIN_S):
            message = await socket.receive()
        return msgspec.json.decode(message.data, type=StartLine) if message.type is WSMsgType.TEXT else None
    except (TimeoutError, msgspec.MsgspecError):
        return None


async def _read(socket: web.WebSocketResponse, line: SocketLine) -> None:
    async for message in socket:
        try:
            if message.type is WSMsgType.BINARY:
                line.sound(message.data)
            elif message.type is WSMsgType.TEXT:
                line.message(_decode(message.data))
                if isinstance(line.ended_reason, str):
                    return
        except (msgspec.MsgspecError, ProtocolError) as error:
            log.info("call %s: a message of the far end makes no sense: %s", line.call_id, error)
            await line.hang_up("the far end does not speak this protocol")
            return
