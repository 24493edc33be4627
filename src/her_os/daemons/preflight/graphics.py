"""Gate 0.2: the graphics card, its driver and its free memory. No card is fine unless one is asked for."""

from __future__ import annotations

from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.daemons.preflight.gate import Finding, GateClosed, Machine
from her_os.service.gpu_memory import GpuMemory, GpuUnreadable
from her_os.settings import Settings

NUMBER, NAME, MEASURES = 2, "graphics card", False
_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/sys/module/amdgpu/version"))


async def check(machine: Machine) -> Finding:
    """Raises GateClosed."""
    settings = machine.settings
    wanted = asks_for_card(settings)
    try:
        reading = await GpuMemory(settings.loader.gpu_index).read()
    except GpuUnreadable as error:
        raise GateClosed(f"the graphics card does not tell its memory: {error}", "mend the driver") from error
    if reading is None:
        if wanted:
            raise GateClosed(
                f"no graphics card is found, but {', '.join(wanted)} ask for one",
                "install its driver (`nvidia-smi` must work), or set these to the CPU: device: cpu, gpu_layers: 0",
            )
        return Finding("no GPU; engines for the CPU", {"gpu": None})
    free_mb = reading.total_mb - reading.used_mb
    need_mb = _weights_mb(settings) if "llm.gpu_layers" in wanted else 0
    ours_mb = sum(reading.by_pid.values())
    if need_mb > free_mb + ours_mb:
        raise GateClosed(
            f"the language model's file has {need_mb:.0f} MB, the card has {free_mb:.0f} MB free",
            "stop what else uses the card, choose a smaller model, or lower llm.gpu_layers",
        )
    driver = next((file.read_text().splitlines()[0] for file in _DRIVERS if file.is_file()), "unknown driver")
    return Finding(
        f"{free_mb:.0f} of {reading.total_mb:.0f} MB free ({reading.source}); {driver}",
        {"gpu": reading.source, "total_mb": reading.total_mb, "free_mb": free_mb, "driver": driver, "asked_by": wanted},
    )


def asks_for_card(settings: Settings) -> list[str]:
    """The settings that need one."""
    sections = {"stt": settings.stt, "stt_batch": settings.stt_batch, "transcripts": settings.transcripts}
    wanted = [f"{name}.device" for name, section in sections.items() if section.device == "cuda"]
    if getattr(settings.tts, "device", "") == "cuda":
        wanted.append("tts.device")
    return ["llm.gpu_layers", *wanted] if settings.llm.gpu_layers and not settings.llm.remote else wanted


def _weights_mb(settings: Settings) -> float:
    from her_os.engines.llama_server_command import server_options

    try:
        return server_options(settings).model.stat().st_size / (1 << 20)
    except (ConfigError, OSError):
        return 0.0  # the gate of the models tells
