"""The 20 ms clock. Time is an argument."""

from __future__ import annotations

import pytest

from her_os.telephony.rtp.arrival_framer import ArrivalFramer
from her_os.telephony.rtp.tick_clock import TickClock


def test_deadlines_are_absolute() -> None:
    clock = TickClock(10.0)
    for index in range(1, 1_001):
        assert clock.due == pytest.approx(10 + index * 0.02)
        clock.tick(clock.due + 0.004)
    assert clock.late == clock.skipped == 0


def test_up_to_200_ms_is_caught_up() -> None:
    clock = TickClock(0.0)
    assert clock.tick(0.02 + 0.199) == 0
    assert clock.due == pytest.approx(0.04), "the next is due already"
    assert clock.late == 1


def test_more_is_skipped_and_not_burst() -> None:
    clock = TickClock(0.0)
    skipped = clock.tick(1.025)
    assert skipped == 50
    assert clock.due == pytest.approx(1.04)
    assert clock.skipped == 50


def test_lateness_is_reported_by_share() -> None:
    clock = TickClock(0.0)
    assert clock.lateness_ms(0.99) == 0
    for index in range(100):
        clock.tick(clock.due + (0.0305 if index == 7 else 0.0005))
    assert clock.lateness_ms(0.5) == 1
    assert clock.lateness_ms(1.0) == 31
    assert clock.max_late_ms == pytest.approx(30.5)


def test_a_packet_of_20_ms_is_a_frame() -> None:
    framer = ArrivalFramer()
    frames = framer.push(0, 160, b"\1\0" * 320, 5_000, 1.0)
    assert [(len(frame.pcm), frame.sample_index, frame.t_arrival) for frame in frames] == [(640, 5_000, 1.0)]


def test_other_lengths_are_cut_and_put_together() -> None:
    framer = ArrivalFramer()
    sizes = [len(framer.push(240 * index, 240, bytes(960), 480 * index, float(index))) for index in range(4)]
    assert sizes == [1, 2, 1, 2]
    framer = ArrivalFramer()
    found = [
        frame for index in range(4) for frame in framer.push(80 * index, 80, bytes([index]) * 320, 160 * index, 0.0)
    ]
    assert [frame.sample_index for frame in found] == [0, 320]
    assert found[1].pcm == b"\2" * 320 + b"\3" * 320


def test_what_does_not_follow_begins_anew() -> None:
    framer = ArrivalFramer()
    assert framer.push(0, 80, b"\1" * 320, 0, 0.0) == []
    assert framer.push(800, 80, b"\2" * 320, 1_600, 0.0) == []
    (frame,) = framer.push(880, 80, b"\3" * 320, 1_760, 0.0)
    assert frame.pcm == b"\2" * 320 + b"\3" * 320
    assert frame.sample_index == 1_600
