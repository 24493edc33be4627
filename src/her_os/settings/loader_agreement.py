"""What one key of `loader:` and `services:` alone cannot tell, and keys that speak for another one. Pure.

`services.stt.backend`, `services.stt.compute_type`, `services.tts.default_voice` and `services.llm.kv_cache_tokens` are
the loader's names for `stt.engine`, `stt.compute_type`, `tts.voice` and `llm.context_tokens`. Either may be set; both
only if they agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.settings.schema import Settings

_CHOOSES_COMPUTE_TYPE = ("faster-whisper",)
"""Engines that take a compute type and read their model, so that it need not be mapped ahead."""
_SAME = (
    ("services.stt.backend", "stt.engine"),
    ("services.stt.compute_type", "stt.compute_type"),
    ("services.tts.default_voice", "tts.voice"),
    ("services.llm.kv_cache_tokens", "llm.context_tokens"),
)


def resolve_second_names(settings: Settings) -> Settings:
    """The settings in which what a second name says is said by the first, unless that was changed, too."""
    for second, first in _SAME:
        value = _get(settings, second)
        if value != _get(Settings(), second) and _get(settings, first) == _get(Settings(), first):
            section, _, name = first.partition(".")
            changed = msgspec.structs.replace(getattr(settings, section), **{name: value})
            settings = msgspec.structs.replace(settings, **{section: changed})
    return settings


def find_loader_disagreements(settings: Settings) -> Iterator[ConfigError]:
    """Every mistake of this kind; each names its field, not yet its line."""
    for second, first in _SAME:
        value, current = _get(settings, second), _get(settings, first)
        if value != _get(Settings(), second) and value != current:
            what = f"is {value!r}, but {first} is {current!r}; they mean the same, so keep one of them"
            yield ConfigError(what, field=second)
    yield from _loader(settings)
    yield from _services(settings)


def _get(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _loader(settings: Settings) -> Iterator[ConfigError]:
    loader = settings.loader
    start, stop = loader.startup_sequence, loader.shutdown_sequence
    for name, sequence in (("startup_sequence", start), ("shutdown_sequence", stop)):
        if not sequence or len(set(sequence)) < len(sequence):
            yield ConfigError("must name at least one service, and each once", field=f"loader.{name}")
    if set(start) != set(stop):
        yield ConfigError(
            f"must name the same services as startup_sequence: {', '.join(start)}", field="loader.shutdown_sequence"
        )
    if "phone" in start and (start[-1] != "phone" or stop[0] != "phone"):
        field = "startup_sequence" if start[-1] != "phone" else "shutdown_sequence"
        yield ConfigError(
            "the phone starts last and stops first, so that callers are never left alone", field=f"loader.{field}"
        )
    backoff = loader.restart_policy.backoff
    if backoff.max_sec < backoff.initial_sec:
        yield ConfigError("must not be less than initial_sec", field="loader.restart_policy.backoff.max_sec")
    shutdown = loader.graceful_shutdown
    if shutdown.kill_after_sec < shutdown.per_service_grace_sec:
        yield ConfigError(
            "must not be less than per_service_grace_sec", field="loader.graceful_shutdown.kill_after_sec"
        )


def _services(settings: Settings) -> Iterator[ConfigError]:
    stt, llm = settings.services.stt, settings.services.llm
    if settings.stt.engine not in _CHOOSES_COMPUTE_TYPE:
        if stt.compute_type != "auto":
            yield ConfigError(
                f"must be auto: {settings.stt.engine} has no such choice", field="services.stt.compute_type"
            )
        if not stt.mmapped:
            yield ConfigError(
                f"must be true: {settings.stt.engine} always maps its model", field="services.stt.mmapped"
            )
    if llm.cmd and (not llm.mmapped or llm.kv_cache_tokens):
        field = "mmapped" if not llm.mmapped else "kv_cache_tokens"
        yield ConfigError("is not handed to a program of your own; put it into cmd", field=f"services.llm.{field}")
