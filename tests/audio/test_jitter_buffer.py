"""The jitter buffer under simulated networks. Time is an argument."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her_os.audio.jitter_buffer import JitterBuffer
from her_os.contracts.audio import FRAME_BYTES
from tests.audio.network import audio_of, play, stream
from tests.telephony.signals import babble, best_match

SPEECH = babble(2.0)


def with_pauses(seconds: int) -> bytes:
    """Speech for 0.6 s of every second."""
    return b"".join(babble(0.6, seed=index % 5) + bytes(12_800) for index in range(seconds))


def test_a_clean_stream_comes_out_as_it_went_in() -> None:
    buffer = JitterBuffer()
    frames = play(buffer, stream(SPEECH))
    assert audio_of(frames)[: len(SPEECH)] == SPEECH
    assert not any(frame.concealed for frame in frames[: len(SPEECH) // FRAME_BYTES])
    assert frames[0].t_arrival == 0.0
    assert frames[7].t_arrival == pytest.approx(0.14)


def test_the_first_frame_waits_one_margin_only() -> None:
    buffer = JitterBuffer(margin_ms=10)
    buffer.put(1, 0, SPEECH[:640], 0.0)
    assert buffer.pull(0.009) is None
    assert buffer.pull(0.010) is not None


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
def test_packets_of_another_length_are_reframed(ptime_ms: int) -> None:
    frames = play(JitterBuffer(), stream(SPEECH, ptime_ms=ptime_ms))
    match, _ = best_match(audio_of(frames), SPEECH[: len(SPEECH) * 9 // 10])
    assert match > 0.97
    assert sum(frame.concealed for frame in frames[: len(SPEECH) // FRAME_BYTES - 6]) <= 3


def test_reordered_packets_are_put_in_order() -> None:
    def swap_neighbours(index: int) -> float:
        return 0.03 if index % 10 == 4 else 0.0

    buffer = JitterBuffer(margin_ms=40)
    frames = play(buffer, stream(SPEECH, delay=swap_neighbours))
    assert audio_of(frames)[: len(SPEECH)] == SPEECH
    assert buffer.counters.late == 0


def test_duplicates_are_dropped_and_counted() -> None:
    arrivals = [arrival for arrival in stream(SPEECH) for _ in range(2)]
    buffer = JitterBuffer()
    assert audio_of(play(buffer, arrivals))[: len(SPEECH)] == SPEECH
    assert buffer.counters.duplicate == len(SPEECH) // FRAME_BYTES


def test_lost_packets_are_concealed_and_time_goes_on() -> None:
    lost = {10, 30, 31, 60}
    buffer = JitterBuffer()
    frames = play(buffer, stream(SPEECH, delay=lambda index: None if index in lost else 0.0))
    played = audio_of(frames)
    assert [index for index, frame in enumerate(frames[:95]) if frame.concealed] == sorted(lost)
    for index in (9, 12, 29, 33, 59, 62):
        at = slice(index * FRAME_BYTES, (index + 1) * FRAME_BYTES)
        assert played[at] == SPEECH[at]
    assert any(frames[10].pcm), "made up, not silent"


def test_jitter_costs_delay_and_no_audio() -> None:
    rng = random.Random(3)
    buffer = JitterBuffer()
    speech = with_pauses(12)
    frames = play(buffer, stream(speech, delay=lambda index: rng.uniform(0, 0.06)))
    assert 0 < buffer.counters.inserted <= 6
    assert buffer.counters.late <= 10, "only until the delay has grown"
    assert buffer.counters.concealed <= 20
    last = speech[-32_000 : -32_000 + 19_200]
    assert best_match(audio_of(frames), last)[0] > 0.99


def test_the_delay_shrinks_again_when_the_network_calms_down() -> None:
    buffer = JitterBuffer()
    arrivals = stream(with_pauses(20), delay=lambda index: max(0.0, 0.15 - (index - 20) * 0.02) if index > 20 else 0)
    play(buffer, arrivals, until=2.0)
    grown = buffer.depth_ms
    frames = play(JitterBuffer(), arrivals)
    calm = JitterBuffer()
    play(calm, arrivals, until=19.0)
    assert grown >= 120
    assert calm.depth_ms <= 60
    assert calm.counters.dropped >= 3
    assert len(frames) > 900


@pytest.mark.parametrize(("speed", "counter"), [(1.002, "dropped"), (0.998, "inserted")])
def test_the_peers_clock_may_drift(speed: float, counter: str) -> None:
    buffer = JitterBuffer()
    speech = with_pauses(40)
    frames = play(buffer, stream(speech, speed=speed), until=39.0, phase=0.012)
    assert getattr(buffer.counters, counter) >= 2
    assert buffer.counters.late == buffer.counters.overflowed == 0
    assert sum(frame.concealed for frame in frames) <= 1
    assert buffer.depth_ms <= 60
    assert best_match(audio_of(frames), speech[-96_000 : -96_000 + 19_200])[0] > 0.99


def test_a_burst_after_an_outage_does_not_grow_beyond_the_maximum() -> None:
    def outage(index: int) -> float:
        return max(0.0, 2.0 - index * 0.02) if index >= 50 else 0.0

    buffer = JitterBuffer(max_depth_ms=200)
    play(buffer, stream(babble(4), delay=outage), until=2.5)
    assert buffer.depth_ms <= 220
    assert buffer.counters.overflowed > 0


def test_a_pause_in_the_stream_is_silence_and_loses_nothing() -> None:
    """A peer that sends nothing in silence, its timestamps going on."""
    second = stream(SPEECH, start=6.0, first_timestamp=48_000)
    buffer = JitterBuffer()
    frames = play(buffer, stream(SPEECH) + second)
    assert best_match(audio_of(frames), SPEECH)[0] > 0.99
    assert best_match(audio_of(frames)[5 * 32_000 :], SPEECH)[0] > 0.99
    assert buffer.counters.resynchronised == 0
    assert not any(frames[200].pcm), "faded out"


def test_a_new_source_is_followed_from_its_second_packet() -> None:
    second = stream(babble(1, seed=9), start=2.0, first_timestamp=777, ssrc=2)
    buffer = JitterBuffer()
    frames = play(buffer, stream(SPEECH) + second)
    assert buffer.counters.resynchronised == 1
    assert best_match(audio_of(frames), babble(1, seed=9)[640:])[0] > 0.99


def test_one_wild_packet_changes_nothing() -> None:
    buffer = JitterBuffer()
    arrivals = stream(SPEECH)
    wild = stream(SPEECH[:640], start=1.001, first_timestamp=0x7000_0000)
    frames = play(buffer, sorted(arrivals + wild, key=lambda arrival: arrival.at))
    assert audio_of(frames)[: len(SPEECH)] == SPEECH
    assert buffer.counters.resynchronised == 0


def test_timestamps_wrap() -> None:
    frames = play(JitterBuffer(), stream(SPEECH, first_timestamp=0xFFFF_FFFF - 8_000))
    assert audio_of(frames)[: len(SPEECH)] == SPEECH


def test_put_tells_where_a_packet_will_play() -> None:
    buffer = JitterBuffer()
    expected: dict[int, bytes] = {}
    now = 0.0
    for index, arrival in enumerate(stream(SPEECH)):
        if index != 20:
            at = buffer.put(1, arrival.timestamp, arrival.pcm, arrival.at)
            assert at is not None
            expected[at] = arrival.pcm
        now = arrival.at + 0.01
        frame = buffer.pull(now)
        if frame is not None and not frame.concealed and index not in (21, 22):
            assert expected[frame.sample_index] == frame.pcm


def test_reset_keeps_the_media_clock() -> None:
    buffer = JitterBuffer()
    first = play(buffer, stream(SPEECH))
    buffer.reset()
    buffer.put(5, 99, SPEECH[:640], 9.0)
    frame = buffer.pull(9.02)
    assert frame is not None
    assert frame.sample_index == 320 * len(first)


def test_a_clock_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        JitterBuffer(clock_rate=44_100)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 0xFFFF_FFFF), st.integers(1, 1_600), st.floats(0, 0.2)),
        max_size=40,
    )
)
def test_whatever_comes_frames_are_whole_and_the_clock_has_no_gaps(
    packets: list[tuple[int, int, int, float]],
) -> None:
    buffer = JitterBuffer()
    now, played = 0.0, 0
    for ssrc, timestamp, size, step in packets:
        buffer.put(ssrc, timestamp, b"\1\0" * size, now)
        now += step
        frame = buffer.pull(now)
        if frame is not None:
            assert len(frame.pcm) == FRAME_BYTES
            assert frame.sample_index == played
            played += 320
        assert buffer.depth_ms <= 400
