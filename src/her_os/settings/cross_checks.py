"""What one setting alone cannot tell: settings that must fit each other, and those that speak for another one.

`services.stt.backend`, `services.tts.default_voice` and `services.llm.kv_cache_tokens` are the loader's names for
`stt.engine`, `tts.voice` and `llm.context_tokens`. Either may be set; both only if they agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.settings.schema import Settings

Refuse = Callable[[str, str], ConfigError]
"""Makes the error for a field and a message."""

_CHOOSES_COMPUTE_TYPE = ("faster-whisper",)
"""Engines that take a compute type and can do without mapping their model."""
_SAME = (
    ("services.stt.backend", "stt.engine"),
    ("services.tts.default_voice", "tts.voice"),
    ("services.llm.kv_cache_tokens", "llm.context_tokens"),
)


def settle(settings: Settings, refuse: Refuse) -> Settings:
    """The settings with second names resolved. Raises what `refuse` makes for those that do not fit."""
    for second, first in _SAME:
        settings = _resolve(settings, second, first, refuse)
    _check_phone(settings, refuse)
    _check_loader(settings, refuse)
    _check_services(settings, refuse)
    return settings


def _resolve(settings: Settings, second: str, first: str, refuse: Refuse) -> Settings:
    value = _get(settings, second)
    if not value:
        return settings
    current = _get(settings, first)
    if current not in {value, _get(Settings(), first)}:
        raise refuse(second, f"is {value!r}, but {first} is {current!r}; they mean the same, so keep one of them")
    section, _, name = first.partition(".")
    changed = msgspec.structs.replace(getattr(settings, section), **{name: value})
    return msgspec.structs.replace(settings, **{section: changed})


def _get(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _check_phone(settings: Settings, refuse: Refuse) -> None:
    phone = settings.phone
    if phone.rtp_port_max - phone.rtp_port_min + 1 < 2 * phone.max_calls:
        raise refuse(
            "phone.rtp_port_max",
            f"rtp_port_min..rtp_port_max must hold two ports a call ({2 * phone.max_calls} for max_calls)",
        )


def _check_loader(settings: Settings, refuse: Refuse) -> None:
    loader = settings.loader
    start, stop = loader.startup_sequence, loader.shutdown_sequence
    for name, sequence in (("startup_sequence", start), ("shutdown_sequence", stop)):
        if not sequence or len(set(sequence)) < len(sequence):
            raise refuse(f"loader.{name}", "must name at least one service, and each once")
    if set(start) != set(stop):
        raise refuse("loader.shutdown_sequence", f"must name the same services as startup_sequence: {', '.join(start)}")
    if "phone" in start and (start[-1] != "phone" or stop[0] != "phone"):
        field = "startup_sequence" if start[-1] != "phone" else "shutdown_sequence"
        raise refuse(f"loader.{field}", "the phone starts last and stops first, so that callers are never left alone")
    backoff = loader.restart_policy.backoff
    if backoff.max_sec < backoff.initial_sec:
        raise refuse("loader.restart_policy.backoff.max_sec", "must not be less than initial_sec")
    shutdown = loader.graceful_shutdown
    if shutdown.kill_after_sec < shutdown.per_service_grace_sec:
        raise refuse("loader.graceful_shutdown.kill_after_sec", "must not be less than per_service_grace_sec")


def _check_services(settings: Settings, refuse: Refuse) -> None:
    stt, llm = settings.services.stt, settings.services.llm
    if settings.stt.engine not in _CHOOSES_COMPUTE_TYPE:
        if stt.compute_type != "auto":
            raise refuse("services.stt.compute_type", f"must be auto: {settings.stt.engine} has no such choice")
        if not stt.mmapped:
            raise refuse("services.stt.mmapped", f"must be true: {settings.stt.engine} always maps its model")
    if llm.cmd and (not llm.mmapped or llm.kv_cache_tokens):
        field = "mmapped" if not llm.mmapped else "kv_cache_tokens"
        raise refuse(f"services.llm.{field}", "is not handed to a program of your own; put it into cmd")
