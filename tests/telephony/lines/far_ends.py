"""The far end of each kind of line, all with the same few abilities, so that one suite can talk to any of them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from her_os.audio.resample import StreamResampler
from her_os.contracts.call_line import CallLine
from her_os.daemons.line_socket import LineSocket
from her_os.settings.schema import Phone
from her_os.telephony.audiosocket.framing import Deframer, Kind, build
from her_os.telephony.audiosocket.server import AudioSocketServer
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip_server import SipServer
from her_os.telephony.test_phone.phone import TestPhone
from tests.ports import free_ports
from tests.waiting import until

TOKEN = "a-token-of-the-phone-daemon"


class FarEnd(Protocol):
    """A telephone at the other end of a line under test."""

    async def say(self, pcm: bytes) -> None:
        """Say 16 kHz PCM at its pace."""
        ...

    def heard(self) -> bytes:
        """What came out of the loudspeaker so far, at 16 kHz."""
        ...

    async def press(self, digits: str) -> None: ...

    async def hang_up(self) -> None: ...

    @property
    def over(self) -> bool:
        """Whether it knows that the call is over."""
        ...


class Call:
    """What a server's `on_call` gets: keeps the line and holds the call until the test is done with it."""

    def __init__(self) -> None:
        self.lines: list[CallLine] = []
        self.released = asyncio.Event()

    async def hold(self, line: CallLine) -> None:
        await line.answer()  # type: ignore[attr-defined]
        self.lines.append(line)
        await self.released.wait()

    async def line(self) -> CallLine:
        await until(lambda: self.lines, "the call came")
        return self.lines[0]


async def paced(pcm: bytes) -> AsyncIterator[bytes]:
    """Frames of 20 ms, each when it is due, and silence around them as a microphone has it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    pcm = bytes(6_400) + pcm + bytes(9_600)
    for number in range(len(pcm) // 640):
        await asyncio.sleep(max(0.0, began + number * 0.02 - loop.time()))
        yield pcm[number * 640 : number * 640 + 640]


class SipPhone:
    def __init__(self, phone: TestPhone) -> None:
        self._phone = phone

    async def say(self, pcm: bytes) -> None:
        await self._phone.say(pcm)

    def heard(self) -> bytes:
        return b"".join(packet.pcm for packet in self._phone.log.received)

    async def press(self, digits: str) -> None:
        await self._phone.send_dtmf(digits)

    async def hang_up(self) -> None:
        await self._phone.hang_up()

    @property
    def over(self) -> bool:
        return not self._phone.in_call


class Asterisk:
    """AudioSocket at one of its rates. Plays what it gets at once; it is ours to pace."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int) -> None:
        self._reader, self._writer, self._rate = reader, writer, rate
        self._up, self._down = StreamResampler(8_000, 16_000), StreamResampler(16_000, 8_000)
        self._heard = bytearray()
        self._over = False
        self.errors: list[str] = []

    async def listen(self) -> None:
        deframer = Deframer()
        while data := await self._reader.read(4_096):
            for message in deframer.push(data):
                if message.kind == Kind.HANGUP:
                    self._over = True
                elif message.kind in (Kind.SLIN, Kind.SLIN16):
                    pcm = message.payload
                    wide = message.kind == Kind.SLIN16
                    self._heard += pcm if wide else self._up.process(pcm)
        self._over = True

    async def say(self, pcm: bytes) -> None:
        kind = Kind.SLIN16 if self._rate == 16_000 else Kind.SLIN
        async for frame in paced(pcm):
            self._writer.write(build(kind, frame if self._rate == 16_000 else self._down.process(frame)))

    def heard(self) -> bytes:
        return bytes(self._heard)

    async def press(self, digits: str) -> None:
        for digit in digits:
            self._writer.write(build(Kind.DTMF, digit.encode()))

    async def hang_up(self) -> None:
        self._writer.write(build(Kind.HANGUP))

    @property
    def over(self) -> bool:
        return self._over


class Room:
    """A WebSocket far end that holds `buffer_ms` before its loudspeaker, throws it away at a flush, and reports."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, buffer_ms: int = 100) -> None:
        self._socket, self._buffer = socket, buffer_ms * 32
        self._waiting, self._heard = bytearray(), bytearray()
        self._received = self._thrown = 0
        self._marks: list[tuple[int, str]] = []
        self._over = False

    async def listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self._received += len(message.data)
                self._waiting += message.data
                await self._play(len(self._waiting) - self._buffer)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._control(json.loads(message.data))
        self._over = True

    async def _play(self, count: int) -> None:
        if count > 0:
            self._heard += self._waiting[:count]
            del self._waiting[:count]
        while self._marks and self._marks[0][0] <= len(self._heard) + self._thrown:
            _, name = self._marks.pop(0)
            await self._report(name)

    async def _control(self, body: dict[str, str]) -> None:
        match body["type"]:
            case "mark":
                self._marks.append((self._received, body["name"]))
            case "flush":
                await self._report("flush")
                self._thrown += len(self._waiting)
                self._waiting.clear()
                self._marks.clear()
            case "hangup":
                self._over = True
            case _:
                pass

    async def _report(self, name: str) -> None:
        samples = (len(self._heard) + self._thrown) // 2
        await self._socket.send_json({"type": "played", "name": name, "samples": samples})

    async def say(self, pcm: bytes) -> None:
        async for frame in paced(pcm):
            await self._socket.send_bytes(frame)

    def heard(self) -> bytes:
        return bytes(self._heard)

    async def press(self, digits: str) -> None:
        await self._socket.send_json({"type": "dtmf", "digits": digits})

    async def hang_up(self) -> None:
        await self._socket.send_json({"type": "hangup"})

    @property
    def over(self) -> bool:
        return self._over


@asynccontextmanager
async def by_sip(folder: Path, call: Call) -> AsyncIterator[FarEnd]:
    first = free_ports(4)
    settings = Phone(sip_host="127.0.0.1", sip_port=0, rtp_port_min=first, rtp_port_max=first + 3)
    server = SipServer(settings, AccountStore(folder, "her-os"), call.hold)
    await server.start()
    try:
        async with TestPhone() as phone:
            await phone.dial(f"sip:her@127.0.0.1:{server.port}")
            yield SipPhone(phone)
    finally:
        call.released.set()
        await server.stop()


@asynccontextmanager
async def by_audiosocket(folder: Path, call: Call, rate: int = 8_000) -> AsyncIterator[FarEnd]:
    server = AudioSocketServer("127.0.0.1", 0, call.hold)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(build(Kind.UUID, uuid.UUID(int=7).bytes))
    if rate == 16_000:
        writer.write(build(Kind.SLIN16, bytes(640)))
    far = Asterisk(reader, writer, rate)
    listening = asyncio.create_task(far.listen())
    try:
        yield far
    finally:
        call.released.set()
        await server.stop()
        writer.close()
        listening.cancel()
        await asyncio.wait({listening})


@asynccontextmanager
async def by_audiosocket_wide(folder: Path, call: Call) -> AsyncIterator[FarEnd]:
    async with by_audiosocket(folder, call, 16_000) as far:
        yield far


@asynccontextmanager
async def by_websocket(folder: Path, call: Call) -> AsyncIterator[FarEnd]:
    lines = LineSocket(call.hold, TOKEN)
    app = web.Application()
    app.add_routes([web.get("/v1/line", lines.handle)])
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url("/v1/line")) as socket,
    ):
        await socket.send_json({"type": "auth", "token": TOKEN})
        await socket.send_json({"type": "start", "kind": "room", "caller": "parlour", "sample_rate": 16_000})
        far = Room(socket)
        listening = asyncio.create_task(far.listen())
        try:
            yield far
        finally:
            call.released.set()
            await lines.stop()
            await socket.close()
            listening.cancel()
            await asyncio.wait({listening})


LINES = {"sip": by_sip, "audiosocket": by_audiosocket, "audiosocket-16": by_audiosocket_wide, "websocket": by_websocket}
