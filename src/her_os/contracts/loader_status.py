"""What the loader tells of the family: over HTTP (`GET /v1/status`), in `her-os status --json`, in its metrics.

Times end in `_ms` and are null where nothing was measured. Memory is in MiB.
"""

from __future__ import annotations

import msgspec

from her_os.contracts.service_state import LoaderState, ServiceState


class ServiceTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long the steps of a service's latest start took."""

    prepare_async_ms: float | None = None
    """Work done ahead, while the service before was getting ready."""
    start_ms: float | None = None
    """Until the process was running."""
    time_to_ready_ms: float | None = None
    """From its turn until it was ready; what was prepared ahead is not in it."""
    warmup_ms: float | None = None


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    name: str
    state: ServiceState
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    last_failure: str = ""
    ready_timeout_s: float | None = None
    times: ServiceTimes = ServiceTimes()
    vram_mb: float | None = None
    """Graphics memory of its processes; null where that cannot be told."""


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one graphics card at one moment."""

    source: str
    """`pynvml`, `nvidia-smi` or `amdgpu`."""
    total_mb: float
    used_mb: float
    by_pid: dict[int, float] = {}

    @property
    def free_mb(self) -> float:
        return max(0.0, self.total_mb - self.used_mb)


class VramSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Graphics memory after a stage of the boot, or at an interval."""

    stage: str
    gpu: GpuReading | None = None
    """Null: there is no graphics card."""
    delta_mb: float = 0.0
    by_service: dict[str, float] = {}


class BootMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The latest boot."""

    total_boot_ms: float | None = None
    total_boot_p95_ms: float | None = None
    """Over the last boots, this one included."""
    boots_in_history: int = 0
    first_cuda_context_ms: float | None = None
    """From the start until a process of ours first held graphics memory."""
    greeting_speak_ms: float | None = None
    kwd_resume_after_ms: float | None = None
    """From the end of the greeting until the wake word listens again."""
    greetings: int = 0
    greetings_heard: int = 0


class StageTime(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of the boot waterfall, in milliseconds since the start."""

    service: str
    stage: str
    """`prepare`, `start`, `ready` or `warm`."""
    begin_ms: float
    end_ms: float


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    state: LoaderState
    mode: str
    """`spawning` or `systemd`."""
    starting: str = ""
    """The service whose turn it is, while STARTING."""
    wake_word_paused: bool = False
    """Whether the wake word must not listen now: before SYSTEM_READY and during the greeting."""
    services: list[ServiceStatus] = []
    boot: BootMetrics = BootMetrics()
    waterfall: list[StageTime] = []
    vram: list[VramSnapshot] = []
