"""Four scripted services under one loader, on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from her_os.contracts.errors import HerOsError
from her_os.contracts.loader_status import GpuReading
from her_os.contracts.service_state import ServiceState
from her_os.loader.boot import Boot
from her_os.loader.boot_history import BootHistory
from her_os.loader.greeting import Greeter, GreetingPlan
from her_os.loader.loader_service import LoaderService
from her_os.loader.once_per_boot import OncePerBoot
from her_os.loader.start_plan import RestartPolicy, StartPlan
from her_os.loader.supervised_service import Gates, SupervisedService
from her_os.loader.vram_monitor import VramMonitor
from tests.fakes.service import Life, ScriptedService

POLICY = RestartPolicy(initial_s=0.5, max_s=4.0, max_restarts=5, window_s=60)
GATES = Gates(ready_timeout_s=10, poll_s=0.1, stop_grace_s=5, health_interval_s=5)
PLAN = StartPlan(("llm", "stt", "tts", "phone"), ("phone", "tts", "stt", "llm"), prewarm_next=False)
NAMES = ("phone", "tts", "llm", "stt")
GREETING = GreetingPlan(enabled=True, text="Hi.", pause_wake_word=True, resume_after_s=0.15)


class FakeGpu:
    """Readings one after the other; the last one again and again."""

    def __init__(self, *readings: GpuReading | HerOsError | None) -> None:
        self._readings = list(readings) or [None]

    async def read(self) -> GpuReading | None:
        reading = self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]
        if isinstance(reading, HerOsError):
            raise reading
        return reading


class FakeVoice:
    """Speaks for `speech_ms`; synthesis takes `think_s`."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.think_s, self.speech_ms, self.speaker, self.ends = 0.1, 1200.0, False, True
        self.error: HerOsError | None = None

    async def synthesise(self, text: str) -> float:
        self.said.append(text)
        await asyncio.sleep(self.think_s)
        if self.error is not None:
            raise self.error
        return self.speech_ms

    async def play(self) -> bool:
        if not self.ends:
            await asyncio.Event().wait()
        if self.speaker:
            await asyncio.sleep(self.speech_ms / 1000)
        return self.speaker


class Family:
    """Given in an order that means nothing."""

    def __init__(
        self,
        folder: Path,
        *,
        plan: StartPlan = PLAN,
        gpu: FakeGpu | None = None,
        policy: RestartPolicy = POLICY,
        **lives: list[Life],
    ) -> None:
        self.journal: list[str] = []
        self.refusal: HerOsError | None = None
        self.fakes = {name: ScriptedService(name, self.journal, lives.get(name)) for name in NAMES}
        self.services = {name: SupervisedService(fake, policy, GATES) for name, fake in self.fakes.items()}
        self.voice, self.history = FakeVoice(), BootHistory(folder / "history.jsonl")
        self.greeter = Greeter(GREETING, self.voice)
        self.vram = VramMonitor(
            gpu or FakeGpu(),
            lambda: {name: {service.pid} for name, service in self.services.items() if service.pid},
            poll_s=2,
            deltas_only=True,
        )
        self.boot = Boot(
            precheck=self._check,
            aftercheck=self._note_end,
            vram=self.vram,
            history=self.history,
            greeter=self.greeter,
            once=OncePerBoot(folder / "run"),
        )
        self.loader = LoaderService(self.services.values(), plan, self.boot, "spawning")

    async def _check(self) -> None:
        self.journal.append("check")
        if self.refusal is not None:
            raise self.refusal

    async def _note_end(self) -> None:
        self.journal.append("ports clean")

    def states(self) -> dict[str, ServiceState]:
        return {status.name: status.state for status in self.loader.status().services}


@asynccontextmanager
async def running(family: Family) -> AsyncIterator[Family]:
    try:
        await family.loader.start_all()
        yield family
    finally:
        await family.loader.stop_all()


def plan(**changes: object) -> StartPlan:
    """The usual plan with changes."""
    return dataclasses.replace(PLAN, **changes)  # type: ignore[arg-type]
