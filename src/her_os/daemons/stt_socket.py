"""The WebSocket of the speech-to-text daemon, `GET /v1/stream`.

    client                                server
    auth (within 2 s)
    start {session_id, ...}               (waits until the model is loaded) ready
    PCM, PCM, PCM ...                     partial, partial ...
    finalize                              final
    ... many utterances ...
    close                                 close 1000

Audio is read only as fast as the engine takes it, so a slow engine holds the sender back; nothing is dropped. Errors
are told as `error {code, message}` before the close: 1003 wrong frame, 1008 bad or late auth, 1009 frame too large,
1011 engine failure, 1013 session cap, 1001 the daemon stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator

import msgspec
from aiohttp import ClientConnectionResetError, WSCloseCode, WSMessage, WSMsgType, web

from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import CapacityError, ConfigError, HerOsError, ProtocolError
from her_os.contracts.speech_to_text import (
    CLOSE_ENGINE_FAILURE,
    CLOSE_SESSION_CAP,
    CLOSE_WRONG_FRAME,
    ClientMessage,
    Close,
    ErrorMessage,
    Finalize,
    Ready,
    ServerMessage,
    Start,
)
from her_os.daemons.stt_metrics import SttMetrics
from her_os.daemons.stt_sessions import EngineSession, Sessions
from her_os.service.call_context import working_for
from her_os.service.readiness import Readiness
from her_os.service.websocket_auth import authenticate

log = logging.getLogger(__name__)

PATH = "/v1/stream"
START_TIMEOUT_S = 10.0
_HEARTBEAT_S = 30.0
_CLOSE_TIMEOUT_S = 1.0
_CLOSED = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}
_decode = msgspec.json.Decoder(ClientMessage).decode
_encode = msgspec.json.Encoder().encode


class ClientLeft(Exception):
    """The socket is closed; there is nobody to tell anything."""


class SttSocket:
    """Serves connections. `readiness` gates audio, `stop` closes every socket."""

    def __init__(
        self,
        sessions: Sessions,
        metrics: SttMetrics,
        readiness: Readiness,
        stop: asyncio.Event,
        *,
        token: str,
        engine_name: str,
        sample_rate: int,
        max_message_bytes: int,
    ) -> None:
        self._sessions, self._metrics, self._readiness, self._stop = sessions, metrics, readiness, stop
        self._token, self._engine_name, self._sample_rate = token, engine_name, sample_rate
        self._max_message_bytes = max_message_bytes

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self.handle)]

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from the handshake to the close."""
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S, heartbeat=_HEARTBEAT_S, max_msg_size=self._max_message_bytes, compress=False
        )
        with contextlib.suppress(ClientConnectionResetError):  # a client that left has no use for a close frame
            await socket.prepare(request)
            async with self._closed_by_stop(socket):
                if await authenticate(socket, self._token):
                    await self._converse(socket)
                else:
                    self._metrics.refused.labels("auth").inc()
        return socket

    async def _converse(self, socket: web.WebSocketResponse) -> None:
        how = "cancelled"
        with contextlib.ExitStack() as context:
            try:
                start = await self._receive_start(socket)
                context.enter_context(working_for(start.session_id))
                async with self._session(socket, start) as session:
                    how = await self._serve(socket, session)
            except (ClientLeft, ClientConnectionResetError):
                how = "client left"
            except HerOsError as error:
                how = error.code
                await self._refuse(socket, error)
            finally:
                self._metrics.ended.labels(how).inc()
                log.info("stream ended: %s", how)

    @contextlib.asynccontextmanager
    async def _closed_by_stop(self, socket: web.WebSocketResponse) -> AsyncGenerator[None]:
        async def close() -> None:
            await self._stop.wait()
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the daemon stops")

        closing = asyncio.create_task(close(), name="close at stop")
        try:
            yield
        finally:
            if not self._stop.is_set():
                closing.cancel()
            await asyncio.wait({closing})

    @contextlib.asynccontextmanager
    async def _session(self, socket: web.WebSocketResponse, start: Start) -> AsyncGenerator[EngineSession]:
        """From `start` to `ready`, and the release of the session's state however it ends."""
        await self._wait_ready(socket)
        session = await self._sessions.open(start.session_id, start.language)
        try:
            self._metrics.opened.inc()
            log.info("stream opened for call %.64s", start.session_id)
            await _send(socket, Ready(start.session_id, self._sample_rate, self._engine_name))
            yield session
        finally:
            session.release()
            await session.wait_released()

    async def _receive_start(self, socket: web.WebSocketResponse) -> Start:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                message = await socket.receive()
        except TimeoutError as error:
            raise ProtocolError(f"no start within {START_TIMEOUT_S:.0f} s of auth") from error
        start = self._message(message)
        if not isinstance(start, Start):
            raise ProtocolError("start must follow auth")
        if start.sample_rate != self._sample_rate:
            raise ProtocolError(f"audio must come at {self._sample_rate} Hz, not {start.sample_rate}")
        return start

    async def _wait_ready(self, socket: web.WebSocketResponse) -> None:
        """The gate: until the model is loaded, the only thing a client may do is leave."""
        if self._readiness.ready:
            return
        opening = asyncio.create_task(self._readiness.wait(), name="wait for the model")
        receiving = asyncio.create_task(socket.receive(), name="watch for a leaving client")
        tasks = {opening, receiving}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not receiving.cancelled():
            self._message(receiving.result())
            raise ProtocolError("nothing may be sent between start and ready")

    async def _serve(self, socket: web.WebSocketResponse, session: EngineSession) -> str:
        """Audio and finalizes in the order they came, until the client closes. Returns how it ended."""
        while True:
            message = self._message(await socket.receive())
            if isinstance(message, bytes):
                began = time.perf_counter()
                partials = await session.accept(message)
                audio_s = len(message) / SAMPLE_WIDTH / self._sample_rate
                self._metrics.count_audio(audio_s, time.perf_counter() - began)
                for partial in partials:
                    await _send(socket, partial)
            elif isinstance(message, Finalize):
                began = time.perf_counter()
                final = await session.finalize()
                took_s = time.perf_counter() - began
                self._metrics.finalize.observe(took_s)
                log.info("utterance %d: final after %.0f ms", final.utterance, took_s * 1000)
                await _send(socket, final)
            elif isinstance(message, Close):
                await socket.close()
                return "closed"
            else:
                raise ProtocolError("only audio, finalize and close may follow ready")

    def _message(self, message: WSMessage) -> bytes | ClientMessage:
        """A frame's meaning. Raises ClientLeft, ProtocolError."""
        if message.type is WSMsgType.BINARY:
            pcm: bytes = message.data
            if len(pcm) % SAMPLE_WIDTH:
                raise ProtocolError("a frame of int16 PCM must have an even number of bytes")
            return pcm
        if message.type is WSMsgType.TEXT:
            try:
                return _decode(message.data)
            except msgspec.MsgspecError as error:
                raise ProtocolError(f"not a message of this contract: {error}") from error
        if message.type in _CLOSED:
            raise ClientLeft
        raise ProtocolError(f"unexpected frame {message.type.name}")

    async def _refuse(self, socket: web.WebSocketResponse, error: HerOsError) -> None:
        """Tell the client what was wrong, and close with the code of the contract."""
        self._metrics.errors.labels(error.code).inc()
        code = CLOSE_ENGINE_FAILURE
        if isinstance(error, CapacityError):
            self._metrics.refused.labels("capacity").inc()
            code = CLOSE_SESSION_CAP
        elif isinstance(error, ProtocolError | ConfigError):
            code = CLOSE_WRONG_FRAME
        log.log(logging.ERROR if code == CLOSE_ENGINE_FAILURE else logging.WARNING, "stream refused: %s", error)
        with contextlib.suppress(ClientConnectionResetError):
            await _send(socket, ErrorMessage(error.code, error.message))
        await socket.close(code=code, message=error.code.encode())


async def _send(socket: web.WebSocketResponse, message: ServerMessage) -> None:
    await socket.send_str(_encode(message).decode())
