"""RTCP, loss, jitter and the round trip. Time is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.rtp.reception import ReceptionStatistics
from her_os.telephony.rtp.rtcp import (
    Goodbye,
    Report,
    ReportBlock,
    build_compound,
    middle,
    ntp_time,
    parse_compound,
    round_trip_s,
)
from her_os.telephony.rtp.rtcp_exchange import RtcpExchange

BLOCK = ReportBlock(0xCAFE, 64, -3, 0x1_0005, 42, 0x1111_2222, 65_536)


def test_a_report_is_read_as_it_was_written() -> None:
    sent = Report(7, (BLOCK,), ntp_time(1_700_000_000.5), 0x8000_0000, 10, 1_600)
    assert parse_compound(build_compound(sent, "name", goodbye=True)) == [sent, Goodbye(7)]
    assert parse_compound(build_compound(Report(7), "a much longer name")) == [Report(7)]


@given(st.text("abc", min_size=1, max_size=20))
def test_every_packet_is_whole_words(name: str) -> None:
    assert len(build_compound(Report(7, (BLOCK,)), name)) % 4 == 0


@pytest.mark.parametrize(
    "bad", [b"\x80", b"\x81\xc9\x00\x01" + bytes(4), b"\x00\xc9\x00\x01" + bytes(4), b"\x80\xc8\xff\xff" + bytes(24)]
)
def test_lengths_that_do_not_hold_are_refused(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_compound(bad)


@given(st.binary(max_size=120))
def test_no_datagram_does_more_than_be_refused(datagram: bytes) -> None:
    try:
        parse_compound(datagram)
    except ProtocolError:
        return


def test_the_round_trip_of_rfc_3550_figure_2() -> None:
    block = ReportBlock(1, 0, 0, 0, 0, 0xB705_2000, 0x0005_4000)
    arrival = 0xB710_8000 << 16
    assert round_trip_s(block, arrival) == pytest.approx(6.125)
    assert round_trip_s(ReportBlock(1, 0, 0, 0, 0, 0, 0), arrival) is None
    assert round_trip_s(ReportBlock(1, 0, 0, 0, 0, middle(arrival), 100), arrival) == 0.0, "a clock that is a hair off"
    assert round_trip_s(ReportBlock(1, 0, 0, 0, 0, 0x1000, 0), arrival) is None, "a clock that was set"


def exchange(ssrc: int, wall_offset: float) -> tuple[RtcpExchange, ReceptionStatistics]:
    reception = ReceptionStatistics()
    return RtcpExchange(ssrc, "x", reception, wall_offset), reception


def test_two_ends_measure_the_round_trip_whatever_their_clocks_say() -> None:
    left, _ = exchange(1, 1_700_000_000.0)
    right, heard_left = exchange(2, 1_600_000_000.0)
    heard_left.packet(1, 10)
    left_report = left.build(100.0, 0, 5, 800)
    right.received(left_report, ("10.0.0.1", 5), 100.030, multiplexed=False)
    right_report = right.build(100.530, 0, 0, 0)
    left.received(right_report, ("10.0.0.2", 5), 100.570, multiplexed=False)
    assert left.round_trip_s == pytest.approx(0.070, abs=0.001)


def test_reports_are_due_after_a_second_and_then_every_five() -> None:
    rtcp, _ = exchange(1, 0.0)
    assert [now for now in range(20) if rtcp.due(float(now))] == [1, 6, 11, 16]


def test_reports_go_above_the_media_port_until_the_peer_shows_another() -> None:
    rtcp, _ = exchange(1, 0.0)
    media = ("10.0.0.1", 4_000)
    assert rtcp.destination(media) == (("10.0.0.1", 4_001), False)
    report = build_compound(Report(9), "x")
    rtcp.received(report, ("10.0.0.1", 4_999), 0.0, multiplexed=False)
    assert rtcp.destination(media) == (("10.0.0.1", 4_999), False)
    rtcp.received(report, media, 0.0, multiplexed=True)
    assert rtcp.destination(media) == (media, True)
    assert rtcp.destination(("10.9.9.9", 4)) == (("10.9.9.9", 5), False)


def test_loss_is_counted_over_the_wrap() -> None:
    heard = ReceptionStatistics()
    for sequence in (65_533, 65_534, 0, 1, 1, 3):
        heard.packet(5, sequence)
    assert heard.received_total == 6
    assert heard.extended_highest == 0x1_0003
    assert heard.cumulative_lost == 7 - 6
    assert heard.fraction_lost() == (1 << 8) // 7
    assert heard.fraction_lost() == 0


def test_duplicates_cannot_make_loss_negative() -> None:
    heard = ReceptionStatistics()
    for _ in range(5):
        heard.packet(5, 100)
    assert heard.lost_total == 0
    assert heard.cumulative_lost == -4


def test_a_new_source_keeps_the_calls_totals() -> None:
    heard = ReceptionStatistics()
    for sequence in (1, 2, 4):
        heard.packet(5, sequence)
    heard.packet(6, 30_000)
    assert (heard.received_total, heard.lost_total, heard.ssrc) == (4, 1, 6)


def test_a_leap_of_the_sequence_is_believed_the_second_time() -> None:
    heard = ReceptionStatistics()
    heard.packet(5, 10)
    heard.packet(5, 30_000)
    assert heard.extended_highest == 10
    heard.packet(5, 30_001)
    assert heard.extended_highest == 30_001


def test_jitter_follows_rfc_3550() -> None:
    heard = ReceptionStatistics()
    expected = 0.0
    transit_before: int | None = None
    for index, late_ms in enumerate([0, 4, 1, 0, 9, 3]):
        arrival = 50.0 + index * 0.02 + late_ms / 1_000
        heard.packet(5, index)
        heard.audio(index * 160, arrival)
        transit = int(arrival * 8_000) - index * 160
        if transit_before is not None:
            expected += (abs(transit - transit_before) - expected) / 16
        transit_before = transit
    assert heard.jitter_ms == pytest.approx(expected / 8)
    assert heard.jitter_units == int(expected)


def test_before_the_first_packet_all_is_zero() -> None:
    heard = ReceptionStatistics()
    assert (heard.received_total, heard.lost_total, heard.jitter_ms, heard.jitter_units) == (0, 0, 0.0, 0)
