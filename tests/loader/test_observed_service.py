"""Units under systemd, observed on virtual time: what their states mean, and the one thing that is asked of systemd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError, HerOsError
from her_os.contracts.service_state import LoaderState, ServiceState
from her_os.daemons.loader import refuse_spawning_only
from her_os.loader.loader_service import LoaderService
from her_os.loader.observed_service import ObservedService
from her_os.loader.start_plan import RestartPolicy
from her_os.service.systemd_units import SystemdUnavailable, SystemdUnits, parse_reports
from her_os.settings import Settings, load_settings
from tests.loader.scripted_family import Family, plan

NAMES = ("llm", "tts")
POLICY = RestartPolicy(initial_s=1, max_s=8, max_restarts=2, window_s=600)


@dataclass(frozen=True)
class FakeUnit:
    loaded: bool = True
    active_state: str = "active"
    sub_state: str = "running"
    main_pid: int = 100
    restarts: int = 0
    result: str = "success"
    started_s: float = -5.0
    active_s: float = -3.0


class FakeSystemd:
    """Units that obey; `heals`: a restart gives a new process, which answers."""

    def __init__(self) -> None:
        self.units = {name: FakeUnit() for name in NAMES}
        self.asked: list[str] = []
        self.heals, self.refusal = True, ""
        self.deaf: set[str] = set()
        self.outage = False

    async def look(self, service: str) -> FakeUnit:
        if self.outage:
            raise HerOsError("systemctl does not answer")
        return self.units[service]

    async def restart(self, service: str) -> None:
        if self.refusal:
            raise HerOsError(self.refusal)
        self.asked.append(service)
        if self.heals:
            self.deaf.discard(service)
        unit = self.units[service]
        now = asyncio.get_running_loop().time()
        self.change(service, main_pid=unit.main_pid + 1, started_s=now, active_s=now)

    def change(self, service: str, **changes: object) -> None:
        self.units[service] = replace(self.units[service], **changes)  # type: ignore[arg-type]


class Observed:
    """A loader over fake units."""

    def __init__(self, folder: Path, systemd: FakeSystemd) -> None:
        self.warmed: list[str] = []
        self.systemd = systemd
        self.family = Family(folder)
        self.services = {name: self._service(name) for name in NAMES}
        self.loader = LoaderService(
            self.services.values(), plan(needs_all=False).in_order(NAMES), self.family.boot, "systemd"
        )

    def _service(self, name: str) -> ObservedService:
        async def healthy() -> bool:
            if name in self.systemd.deaf:
                await asyncio.Event().wait()
            return True

        async def warm() -> None:
            self.warmed.append(name)

        return ObservedService(name, 1, self.systemd, POLICY, is_healthy=healthy, warm_up=warm, health_interval_s=5)

    def state_of(self, name: str) -> ServiceState:
        return self.services[name].state


@asynccontextmanager
async def observing(folder: Path, systemd: FakeSystemd) -> AsyncIterator[Observed]:
    it = Observed(folder, systemd)
    starting = asyncio.create_task(it.loader.start_all())
    await asyncio.sleep(5)
    try:
        yield it
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await it.loader.stop_all()


@pytest.mark.looptime
async def test_units_that_are_active_make_the_system_ready_with_their_own_times(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    systemd.change("tts", started_s=-2.5, active_s=-1.0, main_pid=200)
    async with observing(tmp_path, systemd) as it:
        status = it.loader.status()
        assert (status.state, status.mode) == (LoaderState.SYSTEM_READY, "systemd")
        assert [(s.name, s.pid, s.times.time_to_ready_ms) for s in status.services] == [
            ("llm", 100, 2000),
            ("tts", 200, 1500),
        ]
        assert status.waterfall[0].begin_ms == 0, "the boot began with the first unit, before the loader"
        assert it.warmed == ["llm", "tts"]
        assert it.family.voice.said == ["Hi."]
        assert systemd.asked == []


@pytest.mark.looptime
async def test_a_unit_that_is_given_up_degrades_and_one_that_comes_back_mends(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    systemd.change("tts", active_state="failed", result="exit-code", main_pid=0)
    async with observing(tmp_path, systemd) as it:
        assert it.loader.state is LoaderState.DEGRADED
        assert "is failed (exit-code)" in it.loader.status().services[1].last_failure
        assert it.family.voice.said == []
        systemd.change("tts", active_state="active", main_pid=300)
        await asyncio.sleep(5)
        assert it.loader.state is LoaderState.SYSTEM_READY
        assert it.family.voice.said == ["Hi."], "its first time to be ready"
        assert systemd.asked == []


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("unit", "state"),
    [
        ({"active_state": "activating"}, ServiceState.STARTING),
        ({"active_state": "activating", "sub_state": "auto-restart"}, ServiceState.BACKOFF),
        ({"active_state": "deactivating"}, ServiceState.STOPPING),
        ({"active_state": "inactive"}, ServiceState.STOPPED),
        ({"active_state": "reloading"}, ServiceState.READY),
        ({"loaded": False, "active_state": "inactive"}, ServiceState.FAILED),
    ],
)
async def test_what_a_unit_s_state_means(tmp_path: Path, unit: dict[str, object], state: ServiceState) -> None:
    systemd = FakeSystemd()
    async with observing(tmp_path, systemd) as it:
        systemd.change("tts", **unit)
        await asyncio.sleep(2)
        assert it.state_of("tts") is state
        assert it.state_of("llm") is ServiceState.READY


@pytest.mark.looptime
async def test_a_unit_that_is_alive_and_hangs_is_restarted_by_systemd_and_warmed_again(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    async with observing(tmp_path, systemd) as it:
        systemd.deaf.add("llm")
        await asyncio.sleep(60)
        assert systemd.asked == ["llm"]
        assert it.state_of("llm") is ServiceState.READY
        assert it.loader.state is LoaderState.SYSTEM_READY
        assert it.warmed.count("llm") == 2


@pytest.mark.looptime
async def test_past_the_limits_it_is_left_alone_and_the_system_is_degraded_until_it_answers(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    systemd.heals = False
    async with observing(tmp_path, systemd) as it:
        systemd.deaf.add("llm")
        await asyncio.sleep(300)
        assert systemd.asked == ["llm"] * POLICY.max_restarts
        assert it.loader.state is LoaderState.DEGRADED
        assert it.state_of("llm") is ServiceState.FAILED
        systemd.deaf.clear()
        await asyncio.sleep(20)
        assert it.loader.state is LoaderState.SYSTEM_READY


@pytest.mark.looptime
async def test_a_restart_that_is_refused_is_told_and_nothing_else_is_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = FakeSystemd()
    systemd.refusal = "interactive authentication required"
    async with observing(tmp_path, systemd) as it:
        systemd.deaf.add("llm")
        await asyncio.sleep(60)
        assert it.loader.state is LoaderState.DEGRADED
    assert caplog.text.count("systemd did not restart llm: interactive authentication required") == 1


@pytest.mark.looptime
async def test_an_operator_s_restart_is_ready_with_a_new_process_only(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    async with observing(tmp_path, systemd) as it:
        for number in range(POLICY.max_restarts + 2):
            status = await it.loader.restart_service("tts")
            assert (status.state, status.pid) == (ServiceState.READY, 101 + number)
        systemd.refusal = "no"
        assert (await it.loader.restart_service("tts")).last_failure == "no"


@pytest.mark.looptime
async def test_a_systemd_that_does_not_answer_is_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    systemd = FakeSystemd()
    async with observing(tmp_path, systemd) as it:
        systemd.outage = True
        await asyncio.sleep(20)
        assert it.state_of("llm") is ServiceState.READY, "the last thing known"
        assert caplog.text.count("llm: systemctl does not answer") == 1


@pytest.mark.looptime
async def test_a_unit_that_came_back_between_two_looks_is_noticed(tmp_path: Path) -> None:
    systemd = FakeSystemd()
    async with observing(tmp_path, systemd) as it:
        now = asyncio.get_running_loop().time()
        systemd.change("tts", main_pid=555, restarts=1, started_s=now, active_s=now)
        await asyncio.sleep(3)
        service = it.loader.status().services[1]
        assert (service.state, service.pid, service.restarts) == (ServiceState.READY, 555, 1)
        assert it.warmed.count("tts") == 2


def systemctl(folder: Path, script: str) -> str:
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


SHOW = """
[ "$1" = show ] || { echo "$*" >>"$0.asked"; exit 0; }
echo x >>"$0.shown"
for unit in llm tts; do
printf 'Id=her-os-%s.service\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nMainPID=7\\n' $unit
printf 'NRestarts=2\\nResult=success\\nExecMainStartTimestampMonotonic=1500000\\nActiveEnterTimestampMonotonic=\\n\\n'
done
"""


async def test_one_call_of_systemctl_tells_of_all_units(tmp_path: Path) -> None:
    units = SystemdUnits(NAMES, systemctl(tmp_path, SHOW))
    reports = await asyncio.gather(*(units.look(name) for name in NAMES))
    assert [(r.loaded, r.main_pid, r.restarts, r.started_s, r.active_s) for r in reports] == [
        (True, 7, 2, 1.5, 0.0)
    ] * 2
    assert (tmp_path / "systemctl.shown").read_text() == "x\n"
    await units.restart("tts")
    asked = (tmp_path / "systemctl.asked").read_text().strip()
    assert asked == "restart --no-block --no-ask-password her-os-tts.service"


@pytest.mark.parametrize("name", ["stt", "../llm", "llm.service x", "transcripts"])
async def test_only_units_of_ours_may_be_restarted(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemdUnavailable, match="not ours"):
        await SystemdUnits(NAMES, systemctl(tmp_path, "exit 0")).restart(name)


async def test_what_systemctl_says_when_it_fails_is_handed_on(tmp_path: Path) -> None:
    units = SystemdUnits(NAMES, systemctl(tmp_path, "echo 'Failed to connect to bus' >&2; exit 1"))
    with pytest.raises(SystemdUnavailable, match="Failed to connect to bus"):
        await units.look("llm")
    with pytest.raises(SystemdUnavailable, match="cannot be run"):
        await SystemdUnits(NAMES, str(tmp_path / "none")).look("llm")
    with pytest.raises(SystemdUnavailable, match=r"knows no her-os-llm\.service"):
        await SystemdUnits(NAMES, systemctl(tmp_path, "echo nonsense")).look("llm")


def test_nonsense_is_no_unit() -> None:
    assert parse_reports("") == {"": parse_reports("x")[""]}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("loader: {port_hygiene: {pid_files: [x.pid]}}", "loader.port_hygiene.pid_files"),
        ("loader: {graceful_shutdown: {per_service_grace_sec: 2}}", "loader.graceful_shutdown.per_service_grace_sec"),
        ("loader: {prewarm_next_service: false}", "loader.prewarm_next_service"),
        ("services: {stt: {prepare_async: false}}", "services.stt.prepare_async"),
    ],
)
def test_what_only_works_when_spawning_is_refused_by_name(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="the units decide") as caught:
        refuse_spawning_only(load_settings(file, {}))
    assert caught.value.field == field
    refuse_spawning_only(Settings())
