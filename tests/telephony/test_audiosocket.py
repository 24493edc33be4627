"""AudioSocket beyond what every line does: its framing, strangers on its port, and too many of them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her_os.contracts.errors import ConfigError, ProtocolError
from her_os.telephony.audiosocket.framing import Deframer, Kind, Message, build, uuid_of
from her_os.telephony.audiosocket.line import AudioSocketLine
from her_os.telephony.audiosocket.server import AudioSocketServer


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=700)), max_size=8), st.integers(1, 50))
def test_messages_survive_any_cutting(messages: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(build(kind, payload) for kind, payload in messages)
    deframer, found = Deframer(), list[Message]()
    for at in range(0, len(stream), size):
        found += deframer.push(stream[at : at + size])
    assert found == [Message(kind, payload) for kind, payload in messages]


def test_what_is_no_audiosocket() -> None:
    with pytest.raises(ProtocolError, match="18245"):
        Deframer().push(b"\x16GET / HTTP/1.1\r\n")
    with pytest.raises(ProtocolError, match="UUID"):
        uuid_of(Message(Kind.SLIN, bytes(320)))
    assert uuid_of(Message(Kind.UUID, uuid.UUID(int=5).bytes)) == str(uuid.UUID(int=5))


async def _never(line: AudioSocketLine) -> None:
    raise AssertionError("a stranger's call went through")


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", build(Kind.SLIN, bytes(320)), b"\x01\x00\x03abc", b""])
async def test_strangers_are_dropped(noise: bytes) -> None:
    server = AudioSocketServer("127.0.0.1", 0, _never)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(noise)
        if not noise:
            writer.write_eof()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    finally:
        await server.stop()


async def test_a_port_that_is_taken_is_told() -> None:
    first = AudioSocketServer("127.0.0.1", 0, _never)
    await first.start()
    try:
        with pytest.raises(ConfigError, match="audiosocket_port"):
            await AudioSocketServer("127.0.0.1", first.port, _never).start()
    finally:
        await first.stop()
