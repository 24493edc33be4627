"""WebSocket auth is the first message: `{"type":"auth","token":"..."}` within 2 s, else close 1008."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import WSMsgType, web

from her_os.contracts.speech_to_text import CLOSE_BAD_AUTH, Auth
from her_os.service.auth import tokens_match

AUTH_TIMEOUT_S = 2.0


async def authenticate(socket: web.WebSocketResponse, token: str, timeout_s: float = AUTH_TIMEOUT_S) -> bool:
    """Wait for the auth message. On failure the socket is closed with 1008 and False returned."""
    try:
        async with asyncio.timeout(timeout_s):
            message = await socket.receive()
        if message.type is WSMsgType.TEXT:
            auth = msgspec.json.decode(message.data, type=Auth)
            if tokens_match(auth.token, token):
                return True
    except (TimeoutError, msgspec.MsgspecError):
        pass
    await socket.close(code=CLOSE_BAD_AUTH, message=b"auth must be the first message")
    return False
