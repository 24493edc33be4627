"""What the loader is made of in both modes: plan, policy, memory, history, greeting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.daemons.family import Endpoint, http_endpoints
from her_os.daemons.greeting_voice import DaemonVoice
from her_os.engines.llama_server_command import server_options
from her_os.loader.boot import Boot
from her_os.loader.boot_history import BootHistory
from her_os.loader.greeting import Greeter, GreetingPlan
from her_os.loader.once_per_boot import OncePerBoot
from her_os.loader.start_plan import RestartPolicy, StartPlan
from her_os.loader.supervised_service import Gates
from her_os.loader.vram_monitor import VramMonitor
from her_os.service.gpu_memory import GpuMemory
from her_os.service.process_table import family_of
from her_os.settings import Secrets, Settings

_HISTORY = "boot-history.jsonl"
_MIB = 1 << 20


def endpoints_by_name(settings: Settings) -> dict[str, Endpoint]:
    """Where each service answers HTTP."""
    return {endpoint.daemon: endpoint for endpoint in http_endpoints(settings)}


def start_plan(settings: Settings, *, needs_all: bool) -> StartPlan:
    """Orders and what is done around a start."""
    loader = settings.loader
    return StartPlan(
        loader.startup_sequence,
        loader.shutdown_sequence,
        prewarm_next=loader.prewarm_next_service,
        fail_fast=loader.fail_fast_on_repeated_failures,
        needs_all=needs_all,
    )


def restart_policy(settings: Settings) -> RestartPolicy:
    """How a service that ended is brought back."""
    policy = settings.loader.restart_policy
    return RestartPolicy(
        initial_s=policy.backoff.initial_sec,
        max_s=policy.backoff.max_sec,
        max_restarts=policy.max_restarts,
        window_s=policy.window_sec,
        factor=policy.backoff.factor,
        kind=policy.type,
    )


def gates(settings: Settings, name: str, history: BootHistory) -> Gates:
    """Times of a service's life; the time until it is ready is fitted to the last boots, if so configured."""
    loader = settings.loader
    configured: float = getattr(loader.timeouts, f"{name}_ready_sec")
    return Gates(
        ready_timeout_s=history.timeout_s(name, configured) if loader.autotune_timeouts else configured,
        poll_s=loader.readiness_poll_ms / 1000,
        stop_grace_s=loader.graceful_shutdown.per_service_grace_sec,
        health_interval_s=loader.health_check_interval_sec,
    )


def boot_history(settings: Settings) -> BootHistory:
    """The history of this installation, as yet unread."""
    return BootHistory(settings.environment.state_dir.expanduser() / _HISTORY)


def make_boot(
    settings: Settings,
    secrets: Secrets,
    history: BootHistory,
    runtime_dir: Path,
    pids: Callable[[], Mapping[str, int | None]],
    precheck: Callable[[], Awaitable[None]],
    aftercheck: Callable[[], Awaitable[None]],
) -> Boot:
    """All that accompanies a boot. `pids` tells the main process of each service."""
    loader, greeting = settings.loader, settings.loader.post_boot_greeting
    plan = GreetingPlan(
        greeting.enabled, greeting.text, greeting.kwd_pause_during_tts, greeting.kwd_resume_after_tts_ms / 1000
    )
    vram = VramMonitor(
        GpuMemory(loader.gpu_index),
        lambda: {name: family_of(pid) for name, pid in pids().items() if pid},
        poll_s=loader.vram_poll_interval_sec,
        deltas_only=loader.vram_log_deltas_only,
    )
    return Boot(
        precheck=precheck,
        aftercheck=aftercheck,
        vram=vram,
        history=history,
        greeter=Greeter(plan, DaemonVoice(settings, secrets)),
        once=OncePerBoot(runtime_dir),
        needed_mb=lambda name: _model_mb(settings) if name == "llm" else None,
    )


def _model_mb(settings: Settings) -> float | None:
    """What a model takes on the card, before it was ever measured: about its file, where it goes there at all."""
    if settings.llm.gpu_layers == 0 or settings.llm.model == "embedded" or settings.llm.remote:
        return None
    try:
        return server_options(settings).model.stat().st_size / _MIB
    except (OSError, ConfigError):
        return None
