"""The family on virtual time: order, gates, restarts, backoff, stop order."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from her_os.contracts.service_state import (
    ServiceState,
)
from her_os.loader.loader_service import Misconfigured, StartFailed
from her_os.loader.start_plan import EX_CONFIG
from tests.fakes.service import Life
from tests.loader.scripted_family import GATES, NAMES, POLICY, Family, running

pytestmark = pytest.mark.looptime


async def test_each_starts_after_the_one_before_is_ready_and_the_phone_comes_last(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        order = ["llm", "stt", "tts", "phone"]
        assert family.journal == ["check", *(f"{what} {name}" for name in order for what in ("start", "ready"))]
        assert [status.name for status in family.loader.status().services] == order
        assert set(family.states().values()) == {ServiceState.READY}


async def test_the_phone_stops_first_and_the_language_model_last(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        family.journal.clear()
    assert family.journal == ["stop phone", "stop tts", "stop stt", "stop llm", "ports clean"]
    assert set(family.states().values()) == {ServiceState.STOPPED}


async def test_time_to_ready_is_kept(tmp_path: Path) -> None:
    async with running(Family(tmp_path, stt=[Life(ready_s=3.0)])) as family:
        times = {status.name: status.times.time_to_ready_ms for status in family.loader.status().services}
    assert times["stt"] == pytest.approx(3000, abs=200)


async def test_a_daemon_that_dies_is_restarted_and_the_others_go_on(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(dies_s=100), Life()])) as family:
        await asyncio.sleep(110)
        assert set(family.states().values()) == {ServiceState.READY}
        assert len(family.fakes["tts"].births) == 2
        assert [len(family.fakes[name].births) for name in ("llm", "stt", "phone")] == [1, 1, 1]
        assert family.loader.status().services[2].restarts == 1


async def test_backoff_doubles_up_to_its_cap_and_then_the_service_is_given_up(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(ready_s=0, dies_s=0.5)])) as family:
        watching = asyncio.create_task(family.loader.watch())
        await asyncio.sleep(60)
        births = family.fakes["tts"].births
        gaps = [later - earlier - 0.5 for earlier, later in itertools.pairwise(births)]
        assert gaps == pytest.approx([0.5, 1.0, 2.0, 4.0, 4.0], abs=0.11)
        assert family.states()["tts"] is ServiceState.FAILED
        assert family.states()["phone"] is ServiceState.READY
        assert not watching.done(), "one that fails alone leaves the others running"
        watching.cancel()
        await asyncio.wait({watching})


async def test_a_service_that_dies_now_and_then_is_restarted_for_ever(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(dies_s=50)])) as family:
        await asyncio.sleep(2000)
        assert len(family.fakes["tts"].births) > 30
        assert family.states()["tts"] is not ServiceState.FAILED


async def test_wrong_configuration_is_not_tried_again_and_ends_the_start(tmp_path: Path) -> None:
    family = Family(tmp_path, stt=[Life(ready_s=None, dies_s=0.2, status=EX_CONFIG)])
    with pytest.raises(Misconfigured, match="stt has a mistake in its configuration"):
        await family.loader.start_all()
    await family.loader.stop_all()
    assert len(family.fakes["stt"].births) == 1
    assert not family.fakes["tts"].births, "what comes after is never started"
    assert family.journal[-3:] == ["stop stt", "stop llm", "ports clean"]


async def test_a_service_that_is_never_ready_is_stopped_and_tried_again(tmp_path: Path) -> None:
    async with running(Family(tmp_path, stt=[Life(ready_s=None), Life()])) as family:
        assert family.journal.count("stop stt") == 1
        first, second = family.fakes["stt"].births
        assert second - first == pytest.approx(GATES.ready_timeout_s + 0.1 + POLICY.initial_s, abs=0.3)


async def test_a_command_that_cannot_be_executed_is_reported(tmp_path: Path) -> None:
    family = Family(tmp_path, llm=[Life(start_error=FileNotFoundError(2, "No such file or directory"))])
    with pytest.raises(StartFailed, match=r"llm could not be started \(No such file"):
        await family.loader.start_all()
    await family.loader.stop_all()


async def test_watch_returns_when_nothing_is_left(tmp_path: Path) -> None:
    dying = [Life(ready_s=0, dies_s=5, status=EX_CONFIG)]
    family = Family(tmp_path, llm=dying, stt=dying, tts=dying, phone=dying)
    await family.loader.start_all()
    await family.loader.watch()
    assert set(family.states().values()) == {ServiceState.FAILED}
    await family.loader.stop_all()


@pytest.mark.parametrize("after_s", [0.05, 1.5, 2.5, 3.9])
async def test_a_stop_in_the_middle_of_the_start_stops_what_was_started(after_s: float, tmp_path: Path) -> None:
    family = Family(tmp_path)
    starting = asyncio.create_task(family.loader.start_all())
    await asyncio.sleep(after_s)
    starting.cancel()
    await asyncio.wait({starting})
    await family.loader.stop_all()
    started = [name for name in NAMES if family.fakes[name].births]
    assert [line for line in family.journal if line.startswith("stop")] == [
        f"stop {name}" for name in ("phone", "tts", "stt", "llm") if name in started
    ]
    assert all(fake.pid is None for fake in family.fakes.values())


async def test_a_stop_during_backoff_does_not_wait_for_it(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(dies_s=10), Life()])) as family:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(family.fakes["tts"].births[0] + 10 + POLICY.initial_s / 2 - loop.time())
        assert family.states()["tts"] is ServiceState.BACKOFF
        began = loop.time()
        await family.loader.stop_all()
        assert loop.time() - began < 0.5


async def test_kill_all_ends_every_process_at_once(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        family.loader.kill_all()
        assert all(fake.pid is None for fake in family.fakes.values())


async def test_a_bug_in_an_adapter_is_raised_not_swallowed(tmp_path: Path) -> None:
    family = Family(tmp_path)

    async def broken() -> bool:
        raise ZeroDivisionError

    family.fakes["stt"].is_ready = broken
    with pytest.raises(ZeroDivisionError):
        await family.loader.start_all()
    await family.loader.stop_all()
