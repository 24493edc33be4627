"""The floor of a cancel: how soon this machine's language model is free after an interruption, as it was measured.

`her-os preflight` writes it into the state directory; the phone daemon adds `llm.release_budget_ms` to it. A floor of
another model, server or batch size says nothing about this one and is left aside.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from her_os.contracts.errors import HerOsError
from her_os.settings import Settings

log = logging.getLogger(__name__)
FILE = "llm-cancel-floor.json"


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds from a cancel to the slot being free, in one phase. `late`: never seen free in the time allowed."""

    runs: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    late: int = 0


class CancelFloor(msgspec.Struct, frozen=True):
    """What was measured, and of what."""

    measured_at: str
    what: str
    """The model, its server and the settings that the floor depends on; see `describe`."""
    decode: Spread | None
    prompt: Spread | None
    prompt_s: float
    """How long the whole prompt took that was cancelled."""

    @property
    def floor_ms(self) -> float:
        """The 95th percentile of the slower phase. What takes longer is late by definition, and counted."""
        return max((spread.p95_ms for spread in (self.decode, self.prompt) if spread), default=0.0)


def describe(settings: Settings) -> str:
    """What a floor depends on, in one line."""
    llm = settings.llm
    if llm.remote:
        return f"{llm.remote_model}, {llm.remote}"
    server = Path(llm.server_binary).name or "default server"
    return (
        f"{llm.model}, {server}, batch {llm.batch}, {llm.threads} threads, {llm.gpu_layers} GPU layers, "
        f"{settings.phone.max_calls} slots{''.join(f', {argument}' for argument in llm.extra_args)}"
    )


def write_floor(settings: Settings, floor: CancelFloor) -> Path:
    """Keep it. Raises HerOsError where the state directory cannot be written."""
    path = settings.environment.state_dir / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(floor), indent=1) + b"\n")
        if os.geteuid() == 0:  # root measured, another user's daemon reads
            owner = path.parent.stat()
            os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.replace(path)
    except OSError as error:
        raise HerOsError(f"{path} cannot be written ({error.strerror}); run this as the user of the daemons") from error
    return path


def read_floor(settings: Settings) -> CancelFloor | None:
    """The floor of the configured model; None where it was not measured, or for another one."""
    path = settings.environment.state_dir / FILE
    try:
        floor = msgspec.json.decode(path.read_bytes(), type=CancelFloor)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s cannot be read (%s); `her-os preflight` writes it anew", path, error)
        return None
    if floor.what != describe(settings):
        log.warning("the cancel floor was measured for %s; `her-os preflight` measures what is configured", floor.what)
        return None
    return floor


def cancel_floor_s(settings: Settings) -> float:
    """The floor in seconds; 0 where it was not measured."""
    floor = read_floor(settings)
    if floor is None:
        log.info("no cancel floor was measured for this model; `her-os preflight` does")
        return 0.0
    return floor.floor_ms / 1000
