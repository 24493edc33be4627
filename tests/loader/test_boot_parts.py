"""Around a boot, on virtual time: the greeting and the wake word, graphics memory, what is done once, the history."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from her_os.contracts.errors import HerOsError, SynthesisError
from her_os.contracts.loader_status import GpuReading
from her_os.loader.boot_history import BootRecord
from her_os.loader.boot_timeline import BootTimeline, draw_waterfall
from her_os.loader.greeting import WATCHDOG_S, Greeter, GreetingPlan
from her_os.loader.loader_service import StartFailed
from her_os.loader.once_per_boot import OncePerBoot
from her_os.loader.start_plan import RestartPolicy
from her_os.loader.vram_monitor import VramMonitor
from tests.fakes.service import Life
from tests.loader.scripted_family import GREETING, FakeGpu, FakeVoice, Family, running

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def listens_after(greeter: Greeter, *, first: bool = True) -> float:
    """Seconds until the wake word listens."""
    assert greeter.wake_word_paused, "it never listens before the system is ready"
    began = now()
    await greeter.greet(first=first)
    assert not greeter.wake_word_paused
    return now() - began


async def test_where_there_is_no_speaker_the_greeting_is_made_and_counted_and_nobody_hears_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    voice = FakeVoice()
    greeter = Greeter(GREETING, voice)
    with caplog.at_level(logging.INFO):
        assert await listens_after(greeter) == pytest.approx(0.1 + 0.15)
    assert (greeter.greetings, greeter.heard, voice.said) == (1, 0, ["Hi."])
    assert "nobody heard it" in caplog.text
    assert greeter.resume_after_ms == pytest.approx(150)


async def test_the_wake_word_listens_150_ms_after_the_end_of_what_is_heard() -> None:
    voice = FakeVoice()
    voice.speaker = True
    greeter = Greeter(GREETING, voice)
    assert await listens_after(greeter) == pytest.approx(0.1 + 1.2 + 0.15)
    assert (greeter.greetings, greeter.heard) == (1, 1)
    assert greeter.speak_ms == pytest.approx(1300)


@pytest.mark.parametrize("pause", [True, False])
async def test_whether_the_wake_word_pauses_is_a_setting(pause: bool) -> None:
    voice = FakeVoice()
    voice.speaker = True
    greeter = Greeter(GreetingPlan(True, "Hi.", pause, 0.15), voice)
    greeting = asyncio.create_task(greeter.greet(first=True))
    await asyncio.sleep(0.5)
    assert greeter.wake_word_paused is pause
    await greeting


async def test_a_failure_is_a_warning_no_retry_and_the_wake_word_listens_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    voice = FakeVoice()
    voice.error = SynthesisError("mute")
    greeter = Greeter(GREETING, voice)
    assert await listens_after(greeter) == pytest.approx(0.1)
    assert voice.said == ["Hi."]
    assert greeter.greetings == 0
    assert "no greeting (mute); it is not tried again" in caplog.text


async def test_a_synthesis_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    voice = FakeVoice()
    voice.think_s = 60
    assert await listens_after(Greeter(GREETING, voice)) == pytest.approx(1.5)
    assert "took too long" in caplog.text


async def test_a_greeting_over_its_budget_is_heard_to_its_end_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    voice = FakeVoice()
    voice.speaker, voice.speech_ms = True, 4000
    assert await listens_after(Greeter(GREETING, voice)) == pytest.approx(0.1 + 4 + 0.15)
    assert "lasts 4.0 s; its budget is 1.5 s" in caplog.text


async def test_an_end_that_never_comes_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    voice = FakeVoice()
    voice.ends = False
    assert await listens_after(Greeter(GREETING, voice)) == pytest.approx(0.1 + 1.2 + WATCHDOG_S)
    assert "no greeting" in caplog.text


@pytest.mark.parametrize("enabled", [True, False])
async def test_no_second_greeting_and_none_where_it_is_off(enabled: bool) -> None:
    voice = FakeVoice()
    greeter = Greeter(GreetingPlan(enabled, "Hi.", True, 0.15), voice)
    assert await listens_after(greeter, first=not enabled) == 0
    assert voice.said == []


def test_a_name_is_claimed_once_in_a_runtime_directory(tmp_path: Path) -> None:
    assert OncePerBoot(tmp_path / "run").claim("greeting")
    assert not OncePerBoot(tmp_path / "run").claim("greeting")
    assert OncePerBoot(tmp_path / "run").claim("other")
    assert OncePerBoot(tmp_path / "next boot").claim("greeting")


async def test_the_system_greets_once_and_the_state_can_be_asked_for_later(tmp_path: Path) -> None:
    async with running(Family(tmp_path)) as family:
        await asyncio.sleep(5)
        status = family.loader.status()
        assert (status.state, status.wake_word_paused) == ("SYSTEM_READY", False)
        assert (status.boot.greetings, status.boot.greetings_heard) == (1, 0)
        assert status.boot.greeting_speak_ms == pytest.approx(100)
        assert status.boot.kwd_resume_after_ms == pytest.approx(150)
    async with running(Family(tmp_path)) as again:  # the same runtime directory: the loader was restarted
        await asyncio.sleep(5)
        assert again.voice.said == []
        assert again.loader.status().wake_word_paused is False


async def test_a_boot_is_remembered_with_its_times_and_a_late_service_with_its_timeout(tmp_path: Path) -> None:
    async with running(Family(tmp_path, stt=[Life(ready_s=None), Life(ready_s=2.0)])) as family:
        [boot] = family.history.boots
        assert boot.ready_s["llm"] == pytest.approx(1.0, abs=0.2)
        assert boot.ready_s["stt"] == 10, "it took at least its timeout"
        metrics = family.loader.status().boot
        assert metrics.total_boot_ms == pytest.approx(boot.total_boot_s * 1000)
        assert (metrics.total_boot_p95_ms, metrics.boots_in_history) == (metrics.total_boot_ms, 1)


async def test_a_boot_that_failed_for_want_of_time_is_remembered_so_that_the_next_has_more(tmp_path: Path) -> None:
    for _ in range(3):
        family = Family(tmp_path, policy=RestartPolicy(1, 1, 1, 600), stt=[Life(ready_s=None)])
        family.history.load()
        with pytest.raises(StartFailed):
            await family.loader.start_all()
        await family.loader.stop_all()
    assert [(boot.total_boot_s, boot.ready_s) for boot in family.history.boots] == [(None, {"stt": 10})] * 3
    assert family.history.timeout_s("stt", 10) == 20
    assert family.history.total_p95_s() is None


def gpu(used: float, **by_pid: float) -> GpuReading:
    return GpuReading(source="fake", total_mb=8000, used_mb=used, by_pid={int(k[1:]): v for k, v in by_pid.items()})


async def test_memory_is_read_at_each_stage_and_by_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # before the start, then after each of four services, then when all is ready
    readings = [gpu(100), gpu(3100, p1001=2900), gpu(3100, p1001=2900), gpu(4000, p1001=2900), gpu(4000, p1001=2900)]
    with caplog.at_level(logging.INFO):
        async with running(Family(tmp_path, gpu=FakeGpu(*readings))) as family:
            status = family.loader.status()
    assert [snapshot.stage for snapshot in status.vram] == [
        "before the start",
        *(f"{name} ready" for name in ("llm", "stt", "tts", "phone")),
        "SYSTEM_READY",
    ]
    assert [snapshot.delta_mb for snapshot in status.vram] == [0, 3000, 0, 900, 0, 0]
    assert "VRAM llm ready: 3100 of 8000 MB used (+3000 MB)" in caplog.text
    assert "VRAM after the stop" in caplog.text
    assert status.boot.first_cuda_context_ms is not None
    assert family.history.boots[0].vram_mb["tts"] > 0


async def test_a_model_that_will_not_fit_is_warned_of_before_it_is_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    family = Family(tmp_path, gpu=FakeGpu(gpu(6000)))
    family.history.add(BootRecord(total_boot_s=9, vram_mb={"llm": 3000, "tts": 1500}))
    async with running(family):
        pass
    assert "llm needs about 3000 MB of graphics memory, and 2000 of 8000 MB are free" in caplog.text
    assert "tts needs" not in caplog.text


def monitor(reader: FakeGpu, *, deltas_only: bool = True) -> VramMonitor:
    return VramMonitor(reader, lambda: {"llm": {7}}, poll_s=2, deltas_only=deltas_only)


@pytest.mark.parametrize(("deltas_only", "lines"), [(True, 1), (False, 6)])
async def test_later_only_changes_are_told_if_so_configured(
    deltas_only: bool, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    it = monitor(FakeGpu(gpu(100), gpu(100), gpu(100.5), gpu(900)), deltas_only=deltas_only)
    await it.snapshot("SYSTEM_READY")
    with caplog.at_level(logging.INFO):
        watching = asyncio.create_task(it.watch())
        await asyncio.sleep(11)
        watching.cancel()
        await asyncio.wait({watching})
    assert caplog.text.count("VRAM running") == lines
    assert "900 of 8000 MB used (+800 MB)" in caplog.text or not deltas_only


async def test_where_there_is_no_card_nothing_is_watched() -> None:
    await asyncio.wait_for(monitor(FakeGpu(None)).watch(), 1)


async def test_a_card_that_does_not_answer_is_complained_of_once_and_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = monitor(FakeGpu(HerOsError("lost"), HerOsError("lost"), gpu(100)))
    watching = asyncio.create_task(it.watch())
    await asyncio.sleep(10)
    watching.cancel()
    await asyncio.wait({watching})
    assert caplog.text.count("graphics memory cannot be read: lost") == 1
    assert it.latest is not None
    assert it.latest.gpu == gpu(100)


def test_a_boot_that_began_before_us_is_drawn_from_its_real_beginning() -> None:
    timeline = BootTimeline()
    timeline.begin(100.0)
    timeline.add("llm", "ready", 97.0, 99.0)
    timeline.add("phone", "ready", 99.0, 101.0)
    assert timeline.finish() == 4000
    assert [(stage.begin_ms, stage.end_ms) for stage in timeline.stages] == [(0, 2000), (2000, 4000)]
    assert list(draw_waterfall(timeline.stages, width=8)) == [
        "llm     ready    ####.... 0.00-2.00 s",
        "phone   ready    ....#### 2.00-4.00 s",
    ]
    assert list(draw_waterfall([])) == []
