"""What this store once got: by model, the revision and each file's size and SHA-256. `lock.json` in its folder.

It outlives the models: one that the catalogue does not pin must be the same at the next download. Beside it,
`licences.json` keeps which licences were shown and agreed to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from her_os.contracts.errors import HerOsError

Origin = Literal["catalogue", "first download", "import"]
T = TypeVar("T")


class LockedFile(msgspec.Struct, frozen=True):
    """One file, as it was."""

    path: str
    size: int
    sha256: str


class Locked(msgspec.Struct, frozen=True):
    """One model, as it was. `origin` tells who vouches: the catalogue, or nobody but the first download or import."""

    name: str
    revision: str
    files: tuple[LockedFile, ...]
    origin: Origin
    at: str
    """When, UTC."""

    @property
    def sums(self) -> dict[str, str]:
        """SHA-256 by path."""
        return {file.path: file.sha256 for file in self.files}


class _Lock(msgspec.Struct):
    models: dict[str, Locked] = {}


class _Licences(msgspec.Struct):
    agreed: dict[str, str] = {}
    """When, by licence and address."""


def read_lock(store: Path) -> dict[str, Locked]:
    """All of it. Raises ModelStoreDamaged."""
    return _read(store / "lock.json", _Lock).models


def write_locked(store: Path, locked: Locked) -> None:
    """Add or replace one."""
    lock = _read(store / "lock.json", _Lock)
    lock.models[locked.name] = locked
    _write(store / "lock.json", lock)


def forget(store: Path, name: str) -> None:
    """Take one out: the next download is a first one again."""
    lock = _read(store / "lock.json", _Lock)
    if lock.models.pop(name, None) is not None:
        _write(store / "lock.json", lock)


def has_agreed(store: Path, licence: str) -> bool:
    """Whether this licence was agreed to before."""
    return licence in _read(store / "licences.json", _Licences).agreed


def note_agreed(store: Path, licence: str, at: str) -> None:
    """Remember it."""
    licences = _read(store / "licences.json", _Licences)
    licences.agreed[licence] = at
    _write(store / "licences.json", licences)


class ModelStoreDamaged(HerOsError):
    """A file of the store itself cannot be read."""

    code = "model_store_damaged"


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelStoreDamaged(
            f"{path} cannot be read ({error}); move it away: models stay, but what was downloaded first is forgotten"
        ) from error


def _write(path: Path, value: msgspec.Struct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
