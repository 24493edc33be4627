"""The playout queue, sample by sample. Time is an argument."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from her_os.telephony.rtp.playout import SILENCE, PlayoutQueue

FRAME = 320


def ramp(first: int, count: int) -> bytes:
    """Samples that tell where they are: never 0."""
    return (np.arange(first, first + count) % 30_000 + 1).astype(np.int16).tobytes()


def drain(queue: PlayoutQueue, frames: int) -> bytes:
    return b"".join(queue.next_frame(1.0)[0] for _ in range(frames))


@settings(deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=8), st.data())
def test_pauses_leave_every_sample_in_its_place(sizes: list[int], data: st.DataObject) -> None:
    queue, at = PlayoutQueue(), 0
    for chunk, size in enumerate(sizes):
        assert queue.write(1, chunk, ramp(at, size))
        queue.finish(1, chunk)
        at += size
    heard = b""
    while queue.buffered_samples:
        if data.draw(st.booleans()):
            queue.pause()
            assert queue.next_frame(0.0) == (SILENCE, [])
            queue.resume()
        heard += queue.next_frame(0.0)[0]
    assert heard[: 2 * at] == ramp(0, at)
    assert not any(heard[2 * at :])
    assert sum(queue.sent_samples(1, chunk) for chunk in range(len(sizes))) == at


def test_chunks_follow_on_each_other_without_a_seam_and_tell_when_they_end() -> None:
    queue = PlayoutQueue()
    for chunk, count in enumerate((100, 0, 500)):
        queue.write(1, chunk, ramp(1_000 * chunk, count))
        queue.finish(1, chunk)
    pcm, played = queue.next_frame(1.0)
    assert pcm == ramp(0, 100) + ramp(2_000, 220)
    assert played == [(1, 0), (1, 1)]
    assert queue.next_frame(2.0) == ((ramp(2_220, 280) + bytes(80)), [(1, 2)])
    assert queue.next_frame(3.0) == (SILENCE, [])
    assert queue.last_sent_at() == 2.0


def test_a_chunk_that_runs_dry_holds_the_line() -> None:
    queue = PlayoutQueue()
    queue.write(1, 0, ramp(0, 100))
    queue.write(1, 1, ramp(5_000, 100))
    assert queue.next_frame(1.0) == (ramp(0, 100) + bytes(440), [])
    assert queue.next_frame(2.0) == (SILENCE, [])
    queue.write(1, 0, ramp(100, 10))
    queue.finish(1, 0)
    assert queue.next_frame(3.0)[0] == ramp(100, 10) + ramp(5_000, 100) + bytes(420)


def test_chunks_play_in_their_order_even_if_the_second_comes_first() -> None:
    queue = PlayoutQueue()
    for chunk in (2, 1):
        queue.write(1, chunk, ramp(1_000 * chunk, FRAME))
        queue.finish(1, chunk)
    assert drain(queue, 2) == ramp(1_000, FRAME) + ramp(2_000, FRAME)


def test_what_has_begun_is_not_cut_in_two() -> None:
    queue = PlayoutQueue()
    queue.write(1, 5, ramp(0, 2 * FRAME))
    queue.finish(1, 5)
    head = drain(queue, 1)
    queue.write(1, 4, ramp(9_000, FRAME))
    queue.finish(1, 4)
    assert head + drain(queue, 2) == ramp(0, 2 * FRAME) + ramp(9_000, FRAME)


def test_flush_shuts_the_door_behind_it() -> None:
    queue = PlayoutQueue()
    queue.write(3, 0, ramp(0, 1_000))
    drain(queue, 1)
    assert queue.flush(3) == 680
    assert queue.next_frame(1.0) == (SILENCE, [])
    for turn in (1, 2, 3):
        assert not queue.write(turn, 9, ramp(0, 10))
        queue.finish(turn, 9)
    assert queue.buffered_samples == 0
    assert queue.next_frame(1.0) == (SILENCE, [])
    assert queue.sent_samples(3, 0) == 320
    assert queue.write(4, 0, ramp(7_000, FRAME))
    assert drain(queue, 1) == ramp(7_000, FRAME)


def test_flush_ends_a_pause_and_an_older_flush_changes_nothing_newer() -> None:
    queue = PlayoutQueue()
    queue.write(1, 0, ramp(0, 500))
    queue.pause()
    queue.flush(1)
    assert not queue.paused
    queue.write(2, 0, ramp(0, 500))
    queue.pause()
    assert queue.flush(1) == 0
    assert queue.paused
    assert queue.buffered_samples == 500
    assert queue.flush(2) == 500
    assert queue.flush(1) == 0
    assert not queue.write(2, 1, ramp(0, 1)), "the door stays where it was"


def test_silence_is_not_something_sent() -> None:
    queue = PlayoutQueue()
    queue.write(1, 0, bytes(640))
    queue.next_frame(5.0)
    assert queue.last_sent_at() == 0.0
    assert queue.sent_samples(1, 0) == FRAME


def test_mistakes_are_told() -> None:
    queue = PlayoutQueue()
    with pytest.raises(ValueError, match="3 bytes"):
        queue.write(1, 0, b"abc")
    queue.finish(1, 0)
    queue.finish(1, 0)
    with pytest.raises(ValueError, match="finished"):
        queue.write(1, 0, b"ab")


def test_many_writers_and_one_sender_lose_nothing() -> None:
    queue = PlayoutQueue()

    def write(chunk: int) -> None:
        for index in range(50):
            queue.write(1, chunk, ramp(1_000 * index, 32))
        queue.finish(1, chunk)

    writers = [threading.Thread(target=write, args=(chunk,)) for chunk in range(4)]
    for writer in writers:
        writer.start()
    ended: list[tuple[int, int]] = []
    while len(ended) < 4:
        ended += queue.next_frame(0.0)[1]
    for writer in writers:
        writer.join()
    assert [queue.sent_samples(1, chunk) for chunk in range(4)] == [1_600] * 4


class PlayoutModel(RuleBasedStateMachine):
    """Any order of calls: samples come out in order, none of a flushed turn after its flush, none twice."""

    @initialize()
    def begin(self) -> None:
        self.queue = PlayoutQueue()
        self.turn, self.flushed, self.written = 1, 0, 0
        self.pending: list[int] = []
        self.paused = False

    @rule(size=st.integers(0, 700))
    def write(self, size: int) -> None:
        values = [value % 30_000 + 1 for value in range(self.written, self.written + size)]
        accepted = self.queue.write(self.turn, 0, ramp(self.written, size))
        assert accepted == (self.turn > self.flushed)
        if accepted:
            self.pending += values
            self.written += size

    @rule()
    def next_turn(self) -> None:
        self.queue.finish(self.turn, 0)
        self.turn += 1

    @rule()
    def pause(self) -> None:
        self.queue.pause()
        self.paused = True

    @rule()
    def resume(self) -> None:
        self.queue.resume()
        self.paused = False

    @rule()
    def flush(self) -> None:
        assert self.queue.flush(self.turn) == len(self.pending)
        self.pending, self.paused, self.flushed = [], False, self.turn

    @rule()
    def tick(self) -> None:
        heard = np.frombuffer(self.queue.next_frame(0.0)[0], np.int16).tolist()
        expected = [] if self.paused else self.pending[:FRAME]
        assert heard == expected + [0] * (FRAME - len(expected))
        del self.pending[: len(expected)]

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "queue"):
            assert self.queue.buffered_samples == len(self.pending)
            assert self.queue.paused == self.paused


PlayoutModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestPlayoutModel = PlayoutModel.TestCase
