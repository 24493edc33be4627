"""SIP messages out of a byte stream, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MessageFramer

OPTIONS = b"OPTIONS sip:her@h SIP/2.0\r\nCall-ID: a\r\nContent-Length: 0\r\n\r\n"
INVITE = b"INVITE sip:her@h SIP/2.0\r\nCall-ID: b\r\nl : 7\r\n\r\nv=0\r\n\r\n"
BARE = b"BYE sip:her@h SIP/2.0\r\nCall-ID: c\r\n\r\n"


@given(
    messages=st.lists(st.sampled_from([OPTIONS, INVITE, BARE]), max_size=6),
    pings=st.lists(st.booleans(), min_size=6, max_size=6),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
def test_however_the_stream_is_cut_the_messages_are_the_same(messages: list[bytes], pings: list[bool], cuts: list[int]):
    stream = b"".join((b"\r\n\r\n" if ping else b"") + each for ping, each in zip(pings, messages, strict=False))
    framer, found, at = MessageFramer(), list[bytes](), 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += framer.feed(stream[at : at + size])
        at += size
    assert found == messages
    assert framer.pings == sum(pings[: len(messages)])


def test_an_answer_to_a_ping_of_ours_is_skipped():
    framer = MessageFramer()
    assert framer.feed(b"\r\n" + OPTIONS) == [OPTIONS]
    assert framer.pings == 0


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * (MAX_HEAD_BYTES + 1),
        b"INVITE sip:a SIP/2.0\r\nX: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
    ],
)
def test_a_stream_without_end_is_refused(stream: bytes):
    with pytest.raises(ProtocolError):
        MessageFramer().feed(stream)
