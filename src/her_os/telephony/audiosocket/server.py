"""Listens for Asterisk's AudioSocket connections: one task a call, limited by address, an orderly stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from her_os.contracts.errors import ConfigError, ProtocolError
from her_os.telephony.audiosocket.framing import Deframer, Message, uuid_of
from her_os.telephony.audiosocket.line import AudioSocketLine
from her_os.telephony.call_outcome import outcome_told

log = logging.getLogger(__name__)
UUID_WITHIN_S = 3.0
_BACKLOG = 16
_STOP_GRACE_S = 2.0
_READ_BYTES = 4_096


class AudioSocketServer:
    """`on_call` owns each line: it starts and awaits it; when it returns or fails, the call is hung up.

    AudioSocket has no password: listen where only the PBX can reach, which is this machine unless configured otherwise.
    """

    def __init__(
        self,
        host: str,
        port: int,
        on_call: Callable[[AudioSocketLine], Awaitable[object]],
        *,
        max_connections: int = 16,
    ) -> None:
        self._host, self.port, self._on_call, self._max = host, port, on_call, max_connections
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[AudioSocketLine] = set()

    async def start(self) -> None:
        """Listen. Raises ConfigError when the port is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind((self._host, self.port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            what = f"cannot listen on {self._host}:{self.port}: {error.strerror}"
            raise ConfigError(what, field="phone.audiosocket_port") from error
        self._socket, self.port = listener, listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(listener), name="audiosocket")
        log.info("AudioSocket on %s:%d/tcp", self._host, self.port)

    async def stop(self) -> None:
        """Take no more calls, hang up live ones, wait a bounded time. Idempotent."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        if self._socket is not None:
            self._socket.close()
        for line in list(self._lines):
            await line.hang_up("we are shutting down")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_GRACE_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, as a rule: others must end first
                log.warning("no AudioSocket connection could be taken: %s", error)
                await asyncio.sleep(1.0)
                continue
            if len(self._tasks) >= self._max:
                connection.close()
                continue
            task = asyncio.create_task(self._look_after(connection, peer[0]), name="audiosocket call")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look_after(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deframer = Deframer()
        try:
            async with asyncio.timeout(UUID_WITHIN_S):
                first, *rest = await _first_messages(connection, deframer)
            line = AudioSocketLine(connection, uuid_of(first), peer, deframer, rest)
        except (TimeoutError, OSError, ProtocolError, EOFError) as error:
            log.info("not an AudioSocket call from %s: %s", peer, error or "no UUID in time")
            connection.close()
            return
        self._lines.add(line)
        try:
            with outcome_told(line.call_id):
                await self._on_call(line)
        finally:
            self._lines.discard(line)
            await line.hang_up("the conversation is over")


async def _first_messages(connection: socket.socket, deframer: Deframer) -> list[Message]:
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.sock_recv(connection, _READ_BYTES)
        if not data:
            raise EOFError("closed at once")
        if messages := deframer.push(data):
            return messages
