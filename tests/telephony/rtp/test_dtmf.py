"""Telephone events in and out. No clock."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.dtmf import DIGITS, DtmfReceiver, DtmfSender
from her_os.telephony.rtp.packet import RtpPacket


def event(
    code: int, timestamp: int, *, duration: int = 160, end: bool = False, ssrc: int = 1, marker: bool = False
) -> RtpPacket:
    return RtpPacket(101, 0, timestamp, ssrc, struct.pack("!BBH", code, 0x80 * end | 10, duration), marker)


def test_one_press_is_one_digit_however_often_it_is_repeated() -> None:
    receiver = DtmfReceiver()
    press = [event(5, 1_000, duration=160 * n) for n in (1, 2, 3)] + [event(5, 1_000, duration=480, end=True)] * 3
    assert [receiver.receive(packet) for packet in press] == ["5", None, None, None, None, None]


def test_lost_packets_lose_no_digit_as_long_as_one_comes() -> None:
    receiver = DtmfReceiver()
    assert receiver.receive(event(1, 1_000)) == "1"
    assert receiver.receive(event(1, 3_000, end=True)) == "1", "the beginning was lost, and the end before it"
    assert receiver.receive(event(1, 1_000, end=True)) is None, "late, of the first press"


def test_events_that_are_no_digits_and_stumps_are_passed_over() -> None:
    receiver = DtmfReceiver()
    assert receiver.receive(event(16, 1)) is None
    assert receiver.receive(RtpPacket(101, 0, 0, 0, b"\1\2\3")) is None


def test_a_key_held_long_is_one_digit() -> None:
    receiver = DtmfReceiver()
    assert receiver.receive(event(3, 1_000, marker=True)) == "3"
    assert receiver.receive(event(3, 1_000, duration=0xFFFF)) is None
    assert receiver.receive(event(3, 1_000 + 0xFFFF, duration=160)) is None
    assert receiver.receive(event(3, 90_000, marker=True)) == "3"


def play(digits: str) -> list[RtpPacket]:
    sender, packets = DtmfSender(), list[RtpPacket]()
    sender.queue(digits)
    timestamp = 0xFFFF_FF00
    while not sender.idle:
        due = sender.next_packet(timestamp)
        if due is not None:
            packets.append(RtpPacket(101, len(packets), due.timestamp, 1, due.payload, due.marker))
        timestamp = (timestamp + 160) & 0xFFFF_FFFF
    return packets


def test_a_digit_on_the_wire() -> None:
    packets = play("7")
    told = [struct.unpack("!BBH", packet.payload) for packet in packets]
    assert {code for code, _, _ in told} == {7}
    assert [duration for _, _, duration in told] == [160, 320, 480, 640, 800, 960, 960, 960]
    assert [flags >> 7 for _, flags, _ in told] == [0, 0, 0, 0, 0, 1, 1, 1], "the end, three times"
    assert [packet.marker for packet in packets] == [True] + [False] * 7
    assert len({packet.timestamp for packet in packets}) == 1


@given(st.text(DIGITS, max_size=12))
def test_what_is_sent_is_received(digits: str) -> None:
    receiver = DtmfReceiver()
    assert "".join(receiver.receive(packet) or "" for packet in play(digits)) == digits


def test_no_digit_is_refused_before_any_is_queued() -> None:
    sender = DtmfSender()
    with pytest.raises(ProtocolError, match="'x'"):
        sender.queue("12x")
    assert sender.idle
