"""RTP packets, friendly and hostile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.packet import RtpPacket, build_rtp, is_rtcp, parse_rtp

PLAIN = RtpPacket(9, 0xFFFF, 0xFFFF_FFFF, 0x1234_5678, b"payload", marker=True)


def test_layout() -> None:
    assert build_rtp(PLAIN).hex() == "8089ffffffffffff12345678" + b"payload".hex()


@given(
    st.builds(
        RtpPacket,
        st.integers(0, 127),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFF_FFFF),
        st.integers(0, 0xFFFF_FFFF),
        st.binary(max_size=400),
        st.booleans(),
    )
)
def test_what_is_built_is_parsed(packet: RtpPacket) -> None:
    assert parse_rtp(build_rtp(packet)) == packet


def test_csrc_extension_and_padding_are_stripped() -> None:
    head = bytearray(build_rtp(PLAIN))[:12]
    head[0] = 0x80 | 0x20 | 0x10 | 2
    body = bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + b"voice" + b"\0\0\3"
    assert parse_rtp(bytes(head) + body).payload == b"voice"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(20),
        b"\x8f" + bytes(20),
        b"\x90" + bytes(13),
        b"\x90" + bytes(11) + b"\xbe\xde\xff\xff" + bytes(8),
        b"\xa0" + bytes(11) + b"abc\xff",
        b"\xa0" + bytes(11) + b"abc\x00",
        b"\x80" + bytes(4_000),
    ],
)
def test_lengths_that_do_not_hold_are_refused(datagram: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_rtp(datagram)


@given(st.binary(max_size=200))
def test_no_datagram_does_more_than_be_refused(datagram: bytes) -> None:
    try:
        packet = parse_rtp(datagram)
    except ProtocolError:
        return
    assert len(packet.payload) <= len(datagram) - 12


def test_rtcp_on_the_same_port_is_told_apart() -> None:
    assert is_rtcp(b"\x80\xc8\x00\x06" + bytes(24))
    assert not is_rtcp(build_rtp(PLAIN))
    assert not is_rtcp(b"\x80\xc8")
