"""The family on virtual time: order, gates, restarts, backoff, stop order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from pathlib import Path

import pytest

from her_os.contracts.errors import HerOsError, IllegalTransition, NotReadyError
from her_os.contracts.service_state import (
    LOADER_ARROWS,
    LoaderState,
    ServiceState,
    check_loader_transition,
)
from her_os.loader.boot_timeline import slowest_chain_ms
from her_os.loader.loader_service import Misconfigured, StartFailed, UnknownService
from her_os.loader.start_plan import EX_CONFIG, RestartPolicy
from tests.fakes.service import Life
from tests.loader.scripted_family import GATES, NAMES, POLICY, Family, plan, running

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


async def test_the_states_of_a_boot_in_order(tmp_path: Path) -> None:
    family = Family(tmp_path, phone=[Life(warm_up_s=2)])
    seen: list[str] = []
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(family.loader.start_all())
        while not starting.done():
            status = family.loader.status()
            name = f"{status.state}({status.starting})" if status.starting else str(status.state)
            if not seen or seen[-1] != name:
                seen.append(name)
            await asyncio.sleep(0.01)
    seen.append(family.loader.state)
    await family.loader.stop_all()
    seen.append(family.loader.state)
    assert seen == [
        "INIT",
        *(f"STARTING({name})" for name in ("llm", "stt", "tts", "phone")),
        "RUNNING_ALL",
        "SYSTEM_READY",
        "STOPPED",
    ]


def test_an_arrow_that_the_table_lacks_raises() -> None:
    for state in LoaderState:
        for wanted in LoaderState:
            if wanted in LOADER_ARROWS[state]:
                assert check_loader_transition(state, wanted) is wanted
            else:
                with pytest.raises(IllegalTransition, match=f"from {state} to {wanted}"):
                    check_loader_transition(state, wanted)


async def test_what_the_check_before_the_start_refuses_is_raised_and_nothing_starts(tmp_path: Path) -> None:
    family = Family(tmp_path)
    family.refusal = HerOsError("port taken")
    with pytest.raises(HerOsError, match="port taken"):
        await family.loader.start_all()
    assert family.loader.state is LoaderState.PRECHECK
    await family.loader.stop_all()
    assert not any(fake.births for fake in family.fakes.values())


async def test_with_prewarm_the_next_is_prepared_while_the_one_before_gets_ready(tmp_path: Path) -> None:
    slow = [Life(ready_s=3.0)]
    family = Family(tmp_path, plan=plan(prewarm_next=True), llm=slow, stt=slow, tts=slow, phone=slow)
    family.fakes["stt"].prepare_s = 2.0
    async with running(family):
        order = ("llm", "stt", "tts", "phone")
        assert [line for line in family.journal if line.startswith("prepare")] == [f"prepare {n}" for n in order[1:]]
        for name in order[1:]:
            prepared_from = family.fakes[name].prepared_from
            assert prepared_from is not None
            assert prepared_from < family.fakes[name].births[0]
        assert family.fakes["tts"].prepared_from == pytest.approx(family.fakes["llm"].births[0] + 2.0, abs=0.01), (
            "as soon as the one before is prepared"
        )
        assert family.fakes["llm"].prepared_from is None, "nobody is before the first"
        status = family.loader.status()
        times = {service.name: service.times for service in status.services}
        assert times["stt"].prepare_async_ms == pytest.approx(2000, abs=1)
        assert times["llm"].prepare_async_ms is None
        stages = {(stage.service, stage.stage): stage for stage in status.waterfall}
        assert stages["stt", "prepare"].end_ms <= stages["llm", "ready"].end_ms, "they overlap"
        total = status.boot.total_boot_ms
        assert total is not None
        assert total <= 1.15 * slowest_chain_ms(status.waterfall)


async def test_without_prewarm_nothing_is_prepared(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        assert all(fake.prepared_from is None for fake in family.fakes.values())


async def test_what_was_prepared_but_not_started_is_stopped_too(tmp_path: Path) -> None:
    family = Family(tmp_path, plan=plan(prewarm_next=True), llm=[Life(ready_s=None)])
    starting = asyncio.create_task(family.loader.start_all())
    await asyncio.sleep(1)
    starting.cancel()
    await asyncio.wait({starting})
    await family.loader.stop_all()
    assert "stop stt" in family.journal


async def test_a_service_that_hangs_is_restarted_after_three_missed_checks_in_a_row(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(deaf_s=12.0), Life()])) as family:
        loop, born = asyncio.get_running_loop(), family.fakes["tts"].births[0]
        while len(family.fakes["tts"].births) < 2:
            await asyncio.sleep(0.1)
        # it is deaf from second 12; checks come every 5 s and each is waited for as long
        assert 12 + 3 * 5 <= loop.time() - born <= 12 + 5 + 3 * 10 + POLICY.initial_s
        await asyncio.sleep(5)
        assert family.states()["tts"] is ServiceState.READY
        assert "3 health checks in a row" in family.loader.status().services[2].last_failure
        assert [len(family.fakes[name].births) for name in ("llm", "stt", "phone")] == [1, 1, 1]


async def test_one_or_two_missed_checks_are_forgiven(tmp_path: Path) -> None:
    family = Family(tmp_path, tts=[Life(deaf_s=12.0, hears_again_s=26.0)])
    async with running(family):
        while family.states()["tts"] is not ServiceState.UNHEALTHY:
            await asyncio.sleep(0.1)
        await asyncio.sleep(60)
        assert family.states()["tts"] is ServiceState.READY
        assert len(family.fakes["tts"].births) == 1


async def test_past_the_limits_the_whole_is_degraded_and_a_service_that_recovers_mends_it(tmp_path: Path) -> None:
    dying = Life(ready_s=0, dies_s=0.5)
    async with running(Family(tmp_path, tts=[*[dying] * 6, Life()])) as family:
        await asyncio.sleep(60)
        status = family.loader.status()
        assert status.state is LoaderState.DEGRADED
        assert family.states()["tts"] is ServiceState.FAILED
        assert family.states()["phone"] is ServiceState.READY
        again = await family.loader.restart_service("tts")
        assert again.state is ServiceState.READY
        await asyncio.sleep(1)
        assert family.loader.state is LoaderState.SYSTEM_READY
        assert family.voice.said == ["Hi."], "no second greeting"


async def test_fail_fast_ends_the_watch_with_the_first_that_is_given_up(tmp_path: Path) -> None:
    family = Family(tmp_path, plan=plan(fail_fast=True), tts=[Life(ready_s=0, dies_s=0.5)])
    async with running(family):
        await family.loader.watch()
        assert family.states()["phone"] is ServiceState.READY


async def test_a_restart_on_request_ends_the_present_life_and_costs_nothing(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        for _ in range(8):  # more than the policy would allow
            status = await family.loader.restart_service("stt")
            assert status.state is ServiceState.READY
            assert status.last_failure == ""
        assert len(family.fakes["stt"].births) == 9
        assert family.journal.count("stop stt") == 8
        assert family.loader.state is LoaderState.SYSTEM_READY


async def test_a_restart_on_request_cuts_the_backoff_short(tmp_path: Path) -> None:
    slow = RestartPolicy(initial_s=30, max_s=30, max_restarts=3, window_s=600)
    async with running(Family(tmp_path, policy=slow, tts=[Life(dies_s=5), Life()])) as family:
        while family.states()["tts"] is not ServiceState.BACKOFF:
            await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await family.loader.restart_service("tts")
        assert asyncio.get_running_loop().time() - began < 3


async def test_a_restart_is_refused_by_name_and_by_state(tmp_path: Path) -> None:
    family = Family(tmp_path)
    with pytest.raises(NotReadyError):
        await family.loader.restart_service("stt")
    async with running(family):
        with pytest.raises(UnknownService, match="known: "):
            await family.loader.restart_service("toaster")


async def test_a_service_that_ends_well_is_not_restarted_unless_always(tmp_path: Path) -> None:
    done = [Life(dies_s=5, status=0), Life()]
    async with running(Family(tmp_path / "a", tts=done)) as family:
        await asyncio.sleep(30)
        assert family.states()["tts"] is ServiceState.FAILED
        assert family.loader.status().services[2].last_failure == "ended with status 0"
    always = RestartPolicy(initial_s=0.5, max_s=4, max_restarts=5, window_s=60, kind="always")
    async with running(Family(tmp_path / "b", policy=always, tts=done)) as family:
        await asyncio.sleep(30)
        assert family.states()["tts"] is ServiceState.READY


async def test_never_means_that_a_service_that_hangs_is_not_restarted_either(tmp_path: Path) -> None:
    never = RestartPolicy(initial_s=0.5, max_s=4, max_restarts=5, window_s=60, kind="never")
    async with running(Family(tmp_path, policy=never, tts=[Life(deaf_s=1)])) as family:
        await asyncio.sleep(60)
        assert family.states()["tts"] is ServiceState.FAILED
        assert len(family.fakes["tts"].births) == 1
        assert family.fakes["tts"].pid is None


async def test_a_warm_up_that_fails_is_no_reason_not_to_start(tmp_path: Path) -> None:
    async with running(Family(tmp_path, tts=[Life(warm_up_error=HerOsError("mute"))])) as family:
        assert family.loader.state is LoaderState.SYSTEM_READY


async def test_ready_only_once_all_are_warm(tmp_path: Path) -> None:
    family = Family(tmp_path, llm=[Life(warm_up_s=7.5)])
    async with running(family):
        status = family.loader.status()
        assert status.services[0].times.warmup_ms == pytest.approx(7500, abs=1)
        assert status.boot.total_boot_ms is not None
        assert status.boot.total_boot_ms >= 7500


async def test_stop_and_start_over_the_api_go_through_a_new_check(tmp_path: Path) -> None:
    family = Family(tmp_path)
    await family.loader.start_all()
    await family.loader.stop_all()
    await family.loader.stop_all()
    await family.loader.start_all()
    assert family.journal.count("check") == 2
    assert family.loader.state is LoaderState.SYSTEM_READY
    await family.loader.stop_all()


async def test_a_stop_while_a_start_is_under_way_ends_the_start_quietly(tmp_path: Path) -> None:
    family = Family(tmp_path, stt=[Life(ready_s=None)])
    starting = asyncio.create_task(family.loader.start_all())
    await asyncio.sleep(3)
    await family.loader.stop_all()
    await starting
    assert family.loader.state is LoaderState.STOPPED
    assert not family.fakes["tts"].births


async def test_a_boot_is_told_in_the_agreed_style(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with running(Family(tmp_path)):
            pass
    text = caplog.text
    assert re.search(r"SYSTEM_READY: total_boot=4\.\ds \(p95 last 5: 4\.\ds\)", text)
    assert "All services running" in text
    assert re.search(r"llm +ready +#+\.+ 0\.00-1\.\d\d s", text)
    assert text.rstrip().endswith("Shutdown complete")
