"""The drop-in that opens a graphics card to the units that compute on it, on a machine that has one."""

from __future__ import annotations

import grp
from pathlib import Path

NAME = "40-graphics-card.conf"
_COMPUTE = ("llm", "stt", "stt-batch", "tts", "transcripts")
_LOOK = ("loader",)
"""Reads the card's memory, computes nothing."""

_DEVICES = """\
# Written by `her-os install`, because this machine has {card}. Each line is an exception from 10-common.conf.
[Service]
# The card is a device node. All other devices stay closed: DevicePolicy=closed and the list below.
PrivateDevices=no
{devices}
{groups}"""
_COMPUTES = """\
# The driver compiles kernels for the card into memory and then executes them.
MemoryDenyWriteExecute=no
# It binds its threads and buffers to the processor that the card hangs on: sched_setaffinity, mbind.
SystemCallFilter=@resources
# Buffers that the card reads by itself are pinned.
LimitMEMLOCK=infinity
"""


def find_card(root: Path = Path("/")) -> str:
    """`NVIDIA` or `AMD`, after the driver's device nodes; empty where there is no card of either."""
    if (root / "dev/nvidiactl").exists():
        return "NVIDIA"
    return "AMD" if (root / "dev/kfd").exists() else ""


def card_drop_ins(card: str, groups: tuple[str, ...] | None = None) -> dict[str, str]:
    """Text by path, relative to the folder of the units; nothing where `card` is empty.

    `groups` are those of this machine that may open the nodes.
    """
    if not card:
        return {}
    kinds = ("char-nvidia*",) if card == "NVIDIA" else ("char-kfd", "char-drm")
    groups = existing_groups() if groups is None else groups
    devices = _DEVICES.format(
        card=f"an {card} card",
        devices="\n".join(f"DeviceAllow={kind} rw" for kind in kinds),
        groups=f"# Whom udev lets open its nodes.\nSupplementaryGroups={' '.join(groups)}\n" if groups else "",
    )
    texts = dict.fromkeys(_COMPUTE, devices + _COMPUTES) | dict.fromkeys(_LOOK, devices)
    return {f"her-os-{name}.service.d/{NAME}": text for name, text in texts.items()}


def existing_groups() -> tuple[str, ...]:
    """Those of the usual groups that this machine has."""
    there = {group.gr_name for group in grp.getgrall()}
    return tuple(name for name in ("render", "video") if name in there)
