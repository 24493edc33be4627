"""Memory of a graphics card: from pynvml, else `nvidia-smi`, else amdgpu's files in sysfs, else there is none."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from pathlib import Path
from typing import Any

from her_os.contracts.errors import HerOsError
from her_os.contracts.loader_status import GpuReading

_MIB = 1 << 20
_SMI_TIMEOUT_S = 5.0


class GpuUnreadable(HerOsError):
    """There is a card, but it does not tell its memory."""

    code = "gpu_unreadable"


class GpuMemory:
    """GpuReader of card number `index`. The source that answers first is kept."""

    def __init__(
        self,
        index: int,
        *,
        search_path: str | None = None,
        sys_root: Path = Path("/sys"),
        proc_root: Path = Path("/proc"),
        nvml_module: str = "pynvml",
    ) -> None:
        self._index, self._search_path = index, search_path
        self._sys, self._proc, self._nvml_module = sys_root, proc_root, nvml_module
        self._nvml: Any = None
        self._smi: str | None = None
        self._found = ""

    async def read(self) -> GpuReading | None:
        """The memory now; None where there is no card. Raises GpuUnreadable."""
        if not self._found:
            self._found = await asyncio.to_thread(self._find)
        match self._found:
            case "pynvml":
                return await asyncio.to_thread(self._read_nvml)
            case "nvidia-smi":
                return await self._read_smi()
            case "amdgpu":
                return await asyncio.to_thread(self._read_amdgpu)
            case _:
                return None

    def _find(self) -> str:
        try:
            self._nvml = importlib.import_module(self._nvml_module)
            self._nvml.nvmlInit()
        except Exception:  # noqa: BLE001 - NVMLError of a module that may not be there
            self._nvml = None
        else:
            return "pynvml"
        self._smi = shutil.which("nvidia-smi", path=self._search_path)
        if self._smi is not None:
            return "nvidia-smi"
        return "amdgpu" if self._amd_cards() else "none"

    def _read_nvml(self) -> GpuReading:
        nvml = self._nvml
        try:
            card = nvml.nvmlDeviceGetHandleByIndex(self._index)
            memory = nvml.nvmlDeviceGetMemoryInfo(card)
            processes = [*nvml.nvmlDeviceGetComputeRunningProcesses(card)]
        except Exception as error:
            raise GpuUnreadable(f"pynvml: {error} (loader.gpu_index is {self._index})") from error
        by_pid = {int(p.pid): round((p.usedGpuMemory or 0) / _MIB, 1) for p in processes}
        return _reading("pynvml", memory.total, memory.used, by_pid)

    async def _read_smi(self) -> GpuReading:
        rows = await self._ask_smi("--query-gpu=memory.total,memory.used")
        if not rows:
            raise GpuUnreadable(f"nvidia-smi knows no card {self._index} (loader.gpu_index)")
        total, used = rows[0]
        apps = await self._ask_smi("--query-compute-apps=pid,used_memory")
        return _reading("nvidia-smi", total * _MIB, used * _MIB, {int(pid): used for pid, used in apps})

    async def _ask_smi(self, query: str) -> list[tuple[float, float]]:
        """Rows of two numbers; a row that holds something else, such as [N/A], is left out."""
        assert self._smi is not None
        process = await asyncio.create_subprocess_exec(
            self._smi, f"--id={self._index}", query, "--format=csv,noheader,nounits",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_SMI_TIMEOUT_S):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise GpuUnreadable("nvidia-smi does not answer") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            said = (err or out).decode(errors="replace").strip().partition("\n")[0]
            raise GpuUnreadable(f"nvidia-smi failed: {said}")
        return [pair for line in out.decode(errors="replace").splitlines() if (pair := _two_numbers(line))]

    def _amd_cards(self) -> list[Path]:
        found = self._sys.glob("class/drm/card*/device/mem_info_vram_total")
        return sorted((file.parent for file in found), key=lambda device: (len(device.parent.name), device.parent.name))

    def _read_amdgpu(self) -> GpuReading:
        cards = self._amd_cards()
        if self._index >= len(cards):
            raise GpuUnreadable(f"amdgpu has {len(cards)} cards; loader.gpu_index is {self._index}")
        try:
            total, used = (
                int((cards[self._index] / f"mem_info_vram_{what}").read_text()) for what in ("total", "used")
            )
        except (OSError, ValueError) as error:
            raise GpuUnreadable(f"amdgpu: {error}") from error
        return _reading("amdgpu", total, used, self._amd_processes(cards[self._index].resolve().name))

    def _amd_processes(self, address: str) -> dict[int, float]:
        """Memory by process, from the kernel's fdinfo (docs.kernel.org, drm-usage-stats), as far as we may look."""
        by_pid: dict[int, float] = {}
        for process in self._proc.glob("[0-9]*"):
            clients: dict[str, float] = {}
            for text in _texts(process / "fdinfo"):
                fields = dict(
                    line.split(":", 1) for line in text.splitlines() if line.startswith("drm-") and ":" in line
                )
                words = fields.get("drm-memory-vram", "").split()
                if words and fields.get("drm-pdev", "").strip() in {"", address}:
                    clients[fields.get("drm-client-id", "")] = float(words[0]) / 1024
            if clients:
                by_pid[int(process.name)] = round(sum(clients.values()), 1)
        return by_pid


def _texts(folder: Path) -> list[str]:
    try:
        return [file.read_text() for file in folder.iterdir()]
    except OSError:
        return []


def _two_numbers(line: str) -> tuple[float, float] | None:
    first, _, second = line.partition(",")
    try:
        return float(first), float(second)
    except ValueError:
        return None


def _reading(source: str, total: float, used: float, by_pid: dict[int, float]) -> GpuReading:
    return GpuReading(source=source, total_mb=round(total / _MIB, 1), used_mb=round(used / _MIB, 1), by_pid=by_pid)
