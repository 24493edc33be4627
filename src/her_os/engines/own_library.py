"""Packages that only an engine's own environment has: imported when it loads, unknown to the base and its types."""

from __future__ import annotations

import importlib
from typing import Any


def library(name: str) -> Any:
    """The module `name`, which only the environment of one engine has. Raises ModuleNotFoundError."""
    return importlib.import_module(name)
