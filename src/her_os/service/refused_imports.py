"""Libraries that this process must never load, even where they are installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Refusal:
    """A finder of `sys.meta_path` that is asked first, and says that these packages are not there."""

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"this process does without {name}", name=name)
        return None


def refuse_imports(*packages: str) -> None:
    """From now on importing one of `packages` (or a part of it) raises ModuleNotFoundError.

    Libraries that use it where it is there (CTranslate2 looks for torch) go on without.
    """
    sys.meta_path.insert(0, _Refusal(frozenset(packages)))
