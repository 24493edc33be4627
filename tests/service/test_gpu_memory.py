"""Memory of a graphics card, from fake cards of every kind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from her_os.contracts.loader_status import GpuReading
from her_os.service.gpu_memory import GpuMemory, GpuUnreadable

MIB = 1 << 20
NOTHING = "no_such_module_of_nvidia"


def nvidia_smi(folder: Path, script: str) -> str:
    """A fake `nvidia-smi`; returns the PATH to find it by."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


SMI = """
case "$*" in
  "--id=1 --query-gpu=memory.total,memory.used --format=csv,noheader,nounits") echo "24564, 1200" ;;
  "--id=1 --query-compute-apps=pid,used_memory --format=csv,noheader,nounits") printf '41, 700\\n42, [N/A]\\n' ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


async def test_nvidia_smi_is_asked_for_the_chosen_card(tmp_path: Path) -> None:
    reader = GpuMemory(1, search_path=nvidia_smi(tmp_path, SMI), nvml_module=NOTHING)
    expected = GpuReading(source="nvidia-smi", total_mb=24564, used_mb=1200, by_pid={41: 700})
    assert await reader.read() == expected
    assert expected.free_mb == 23364


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "version mismatch"),
        ("echo '[N/A], [N/A]'", "knows no card 0"),
        ("printf '\\xff\\xfe'", "knows no card 0"),
    ],
)
async def test_a_driver_that_is_broken_is_told(tmp_path: Path, script: str, complaint: str) -> None:
    reader = GpuMemory(0, search_path=nvidia_smi(tmp_path, script), nvml_module=NOTHING)
    with pytest.raises(GpuUnreadable, match=complaint):
        await reader.read()


def fake_nvml(monkeypatch: pytest.MonkeyPatch, cards: int = 1) -> str:
    def handle(index: int) -> int:
        if index >= cards:
            raise ValueError("Invalid Argument")
        return index

    module = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetMemoryInfo=lambda _card: SimpleNamespace(total=8 * 1024 * MIB, used=512 * MIB),
        nvmlDeviceGetComputeRunningProcesses=lambda _card: [
            SimpleNamespace(pid=41, usedGpuMemory=256 * MIB),
            SimpleNamespace(pid=42, usedGpuMemory=None),
        ],
    )
    monkeypatch.setitem(sys.modules, "fake_nvml", module)
    return "fake_nvml"


async def test_nvml_comes_before_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = GpuMemory(0, search_path=nvidia_smi(tmp_path, "exit 9"), nvml_module=fake_nvml(monkeypatch))
    assert await reader.read() == GpuReading(source="pynvml", total_mb=8192, used_mb=512, by_pid={41: 256, 42: 0})


async def test_a_card_that_nvml_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GpuUnreadable, match=r"Invalid Argument \(loader.gpu_index is 3\)"):
        await GpuMemory(3, nvml_module=fake_nvml(monkeypatch)).read()


def amd_tree(root: Path) -> None:
    for number, used in ((0, 100), (1, 2048)):
        device = root / "sys" / "devices" / f"0000:0{number}:00.0"
        device.mkdir(parents=True)
        (device / "mem_info_vram_total").write_text(f"{16 * 1024 * MIB}\n")
        (device / "mem_info_vram_used").write_text(f"{used * MIB}\n")
        card = root / "sys" / "class" / "drm" / f"card{number}"
        card.mkdir(parents=True)
        (card / "device").symlink_to(device)
    for pid, pdev, client in ((41, "0000:01:00.0", 5), (42, "0000:00:00.0", 6)):
        folder = root / "proc" / str(pid) / "fdinfo"
        folder.mkdir(parents=True)
        text = (
            f"pos:\t0\ndrm-driver:\tamdgpu\ndrm-pdev:\t{pdev}\ndrm-client-id:\t{client}\ndrm-memory-vram:\t524288 KiB\n"
        )
        for fd in ("8", "9"):  # two descriptors of one client count once
            (folder / fd).write_text(text)
        (folder / "0").write_text("pos:\t0\nflags:\t02\n")


def amd(root: Path, index: int) -> GpuMemory:
    return GpuMemory(index, search_path=str(root), sys_root=root / "sys", proc_root=root / "proc", nvml_module=NOTHING)


async def test_an_amd_card_is_read_from_sysfs_and_its_processes_from_fdinfo(tmp_path: Path) -> None:
    amd_tree(tmp_path)
    assert await amd(tmp_path, 1).read() == GpuReading(source="amdgpu", total_mb=16384, used_mb=2048, by_pid={41: 512})
    with pytest.raises(GpuUnreadable, match="amdgpu has 2 cards"):
        await amd(tmp_path, 2).read()
    (tmp_path / "sys/devices/0000:00:00.0/mem_info_vram_used").write_text("nonsense")
    with pytest.raises(GpuUnreadable, match="amdgpu: "):
        await amd(tmp_path, 0).read()


async def test_where_there_is_no_card_there_is_none(tmp_path: Path) -> None:
    assert await amd(tmp_path, 0).read() is None
