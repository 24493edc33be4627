"""Engines that are not ours: `module:Class` in place of a name in the configuration.

The class is made without arguments and must fulfil the Protocol of its kind (`contracts/`). Its module must be
importable by the daemon: installed, or on PYTHONPATH.
"""

from __future__ import annotations

import importlib
from typing import Any

from her_os.contracts.errors import ConfigError


def is_plugin(name: str) -> bool:
    """Whether an engine's name means a class outside her-os."""
    return ":" in name


def create_plugin(name: str, field: str) -> Any:
    """An engine of the class `module:Class`, not yet loaded. Raises ConfigError where there is none."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"is {name!r}, which cannot be made ({error}); expected MODULE:CLASS that this Python can import",
            field=field,
        ) from error
