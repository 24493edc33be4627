"""The cancel chain: order, parallel legs, failures, re-entrancy, cancellation from outside."""

from __future__ import annotations

import asyncio

import pytest

from her_os.conversation.cancel_chain import CancelChain
from her_os.conversation.turn import TurnEpoch
from her_os.telephony.rtp.playout import PlayoutQueue

pytestmark = pytest.mark.looptime(noop_cycles=1)


class Legs:
    """Three legs of known length that note what they saw."""

    def __init__(self, playout: PlayoutQueue, epoch: TurnEpoch) -> None:
        self.playout, self.epoch = playout, epoch
        self.ran: list[str] = []
        self.saw_stale: list[bool] = []

    def leg(self, name: str, seconds: float, error: BaseException | None = None):
        async def run(turn: int) -> str:
            self.saw_stale.append(not self.epoch.is_current(turn) and not self.playout.write(turn, 0, b"\1\0"))
            await asyncio.sleep(seconds)
            if error is not None:
                raise error
            self.ran.append(name)
            return name

        return run


def make(**errors: BaseException) -> tuple[CancelChain, Legs, int]:
    playout, epoch = PlayoutQueue(), TurnEpoch()
    turn = epoch.advance()
    playout.write(turn, 0, b"\1\0" * 1000)
    legs = Legs(playout, epoch)
    named = {
        name: legs.leg(name, seconds, errors.get(name)) for name, seconds in (("llm", 0.1), ("tts", 0.3), ("stt", 0.2))
    }
    return CancelChain(playout, epoch, named, asyncio.get_running_loop().time), legs, turn


async def test_the_pending_mark_and_the_flush_come_before_any_leg_and_legs_run_side_by_side():
    chain, legs, turn = make()
    trace = await chain.run(turn, "test")
    assert legs.saw_stale == [True, True, True]
    assert trace.flushed_samples == 1000
    assert legs.ran == ["llm", "stt", "tts"]
    assert [round(leg.milliseconds) for leg in trace.legs] == [100, 300, 200]
    assert round(trace.total_ms) == 300
    assert trace.ok


async def test_a_failed_leg_is_reported_and_stops_no_other():
    chain, legs, turn = make(llm=ConnectionError("gone"), tts=asyncio.CancelledError())
    trace = await chain.run(turn, "test")
    assert legs.ran == ["stt"]
    assert [leg.ok for leg in trace.legs] == [False, False, True]
    assert trace.legs[0].detail == "ConnectionError: gone"


async def test_two_runs_at_once_are_one():
    chain, legs, turn = make()
    first, second = await asyncio.gather(chain.run(turn, "a"), chain.run(turn, "b"))
    assert first is second
    assert len(legs.ran) == 3
    assert await chain.run(turn, "c") is first


async def test_cancellation_from_outside_goes_through_and_frees_the_lock():
    chain, legs, turn = make()
    task = asyncio.create_task(chain.run(turn, "test"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert legs.ran == []
    assert (await chain.run(turn + 1, "next")).ok
