"""Brings a model into the store: downloaded or from a folder, every file checked, the whole put in place at once.

What is not whole yet lies in `.parts/NAME`; a folder of the store that has the model's name is complete.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from her_os.contracts.errors import HerOsError
from her_os.service.model_store import lock
from her_os.service.model_store.catalogue import Model, ModelFile
from her_os.service.model_store.download import (
    PAUSES_S,
    NotThere,
    Report,
    Told,
    ask,
    download,
    new_client,
    sha256_of,
)
from her_os.service.model_store.stored import RECORD

_SPARE_BYTES = 64 << 20
"""Left free on the disk."""


class PullRefused(HerOsError):
    """A model was not brought in; the store is as it was."""

    code = "pull_refused"


@dataclass(frozen=True)
class Need:
    """What bringing a model in takes. 0: not known."""

    model: Model
    download_bytes: int
    disk_free_bytes: int
    unknown_files: tuple[str, ...] = ()
    """Of which nobody told the size."""


@dataclass
class Wishes:
    """How to pull. `agree` shows a licence and returns whether it is agreed to; `tell` shows what will be needed."""

    store: Path
    hub: str
    agree: Callable[[Model], bool]
    tell: Callable[[Need], None] = lambda _need: None
    progress: Callable[[str], Report] = lambda _path: lambda _here, _all: None
    """For each file: whom to tell of its bytes."""
    trust_first: bool = False
    pauses_s: Sequence[float] = PAUSES_S


def pull(model: Model, wishes: Wishes) -> lock.Locked:
    """Download what is missing. Raises PullRefused, DownloadFailed, ModelStoreDamaged; parts stay for the next time."""
    with _alone(wishes.store):
        expected = _expected(model, wishes)
        _agree(model, wishes)
        work = wishes.store / ".parts" / model.name
        with new_client() as client:
            sizes = {file.path: _size(client, model, file, wishes, expected) for file in model.files}
            _room(model, sizes, work, wishes)
            revision, got = model.revision, list[str]()
            for file in model.files:
                if sizes[file.path] is None:
                    continue  # optional, and the server has none
                told = _fetch(client, model, file, work, wishes, expected)
                if told is None:
                    continue
                revision = told.revision or revision
                got.append(file.path)
        return _finish(model, work, got, revision, wishes, "first download")


def bring_in(model: Model, folder: Path, wishes: Wishes) -> lock.Locked:
    """Copy a model from `folder`. Raises PullRefused, which says which file is missing or not what it should be."""
    with _alone(wishes.store):
        expected = _expected(model, wishes)
        sources = {file.path: _source(folder, file) for file in model.files}
        missing = [file.path for file in model.files if sources[file.path] is None and not file.optional]
        if missing:
            raise PullRefused(f"{folder} does not hold {', '.join(missing)} of {model.name}")
        _agree(model, wishes)
        work = wishes.store / ".parts" / model.name
        found = {path: source for path, source in sources.items() if source is not None}
        _room(model, {path: source.stat().st_size for path, source in found.items()}, work, wishes)
        for path, source in found.items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            _check(target, f"{source}", expected.get(path, ""), wishes.progress(path))
        return _finish(model, work, list(found), model.revision, wishes, "import")


def _expected(model: Model, wishes: Wishes) -> dict[str, str]:
    """SHA-256 by path: of the catalogue, else of the first time. None is trusted, but only where that was asked for."""
    if model.pinned:
        return {file.path: file.sha256 for file in model.files}
    sums = {file.path: file.sha256 for file in model.files if file.sha256}
    if locked := lock.read_lock(wishes.store).get(model.name):
        return {**locked.sums, **sums}
    if not wishes.trust_first:
        raise PullRefused(
            f"{model.name} is not pinned yet: the catalogue does not know the SHA-256 of each of its files, so "
            "nobody can tell whether what arrives is what was meant. With --trust-first-download it is trusted this "
            "once, and what came (revision, sizes, SHA-256) is remembered and asked of every later one"
        )
    return sums


def _agree(model: Model, wishes: Wishes) -> None:
    licence = f"{model.licence} {model.licence_url}".strip()
    if lock.has_agreed(wishes.store, licence):
        return
    if not wishes.agree(model):
        raise PullRefused(f"the licence of {model.name} ({licence}) was not agreed to; nothing was fetched")
    lock.note_agreed(wishes.store, licence, _now())


def _size(client: httpx.Client, model: Model, file: ModelFile, wishes: Wishes, expected: dict[str, str]) -> int | None:
    """Bytes, 0 unknown; None: optional and not there."""
    if file.size or (file.path in expected and (wishes.store / ".parts" / model.name / file.path).is_file()):
        return file.size
    try:
        return ask(client, model.url(file, wishes.hub)).size
    except NotThere:
        if file.optional:
            return None
        raise


def _room(model: Model, sizes: Mapping[str, int | None], work: Path, wishes: Wishes) -> None:
    here = sum(path.stat().st_size for path in work.rglob("*") if path.is_file()) if work.is_dir() else 0
    total = sum(size or 0 for size in sizes.values())
    free = shutil.disk_usage(wishes.store).free
    unknown = tuple(path for path, size in sizes.items() if size == 0)
    wishes.tell(Need(model, max(0, total - here), free, unknown))
    if total - here + _SPARE_BYTES > free:
        raise PullRefused(
            f"{model.name} needs {(total - here) / 1e6:.0f} MB more in {wishes.store}, where {free / 1e6:.0f} MB are "
            "free; make room (`her-os models remove NAME`), or set models.folder to a larger disk"
        )


def _fetch(
    client: httpx.Client, model: Model, file: ModelFile, work: Path, wishes: Wishes, expected: dict[str, str]
) -> Told | None:
    target, checksum, url = work / file.path, expected.get(file.path, ""), model.url(file, wishes.hub)
    report = wishes.progress(file.path)
    if checksum and target.is_file() and sha256_of(target) == checksum:
        return Told()
    target.unlink(missing_ok=True)
    kept = wishes.store / model.name / file.path
    if checksum and kept.is_file() and sha256_of(kept) == checksum:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, target)
        return Told()
    part = target.with_name(target.name + ".part")
    try:
        told = download(
            client, url, part,
            size=file.size, checked_after=bool(checksum), report=report, pauses_s=wishes.pauses_s,
        )  # fmt: skip
    except NotThere:
        if file.optional:
            return None
        raise
    _check(part, url, checksum, lambda _here, _all: None)
    part.replace(target)
    return told


def _check(file: Path, origin: str, expected: str, report: Report) -> None:
    found = sha256_of(file, report)
    if expected and found != expected:
        file.unlink()
        raise PullRefused(
            f"{origin} is not what it should be: its SHA-256 is {found}, expected {expected}; what came was thrown "
            "away. Try again; if it comes the same, the file was replaced where it comes from, or damaged on the way"
        )


def _finish(
    model: Model, work: Path, paths: list[str], revision: str, wishes: Wishes, otherwise: lock.Origin
) -> lock.Locked:
    files = tuple(lock.LockedFile(path, (work / path).stat().st_size, sha256_of(work / path)) for path in paths)
    before = lock.read_lock(wishes.store).get(model.name)
    origin: lock.Origin = "catalogue" if model.pinned else before.origin if before else otherwise
    locked = lock.Locked(model.name, revision, files, origin, _now())
    for path in work.rglob("*"):
        if path.is_file() and str(path.relative_to(work)) not in paths:
            path.unlink()  # left over from an entry that named other files
    (work / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(locked), indent=1))
    for path in work.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the daemons are another user
    work.chmod(0o755)
    lock.write_locked(wishes.store, locked)
    target, old = wishes.store / model.name, wishes.store / ".parts" / f"{model.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    work.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return locked


def _source(folder: Path, file: ModelFile) -> Path | None:
    """At its own place below the folder, or flat in it."""
    for candidate in (folder / file.path, folder / Path(file.path).name):
        if candidate.is_file():
            return candidate
    return None


@contextmanager
def _alone(store: Path) -> Generator[None]:
    """One at a time: a second pull is told so, not mixed in."""
    try:
        (store / ".parts").mkdir(parents=True, exist_ok=True)
        file = (store / ".parts" / "busy").open("w")
    except OSError as error:
        raise PullRefused(
            f"{store} cannot be written ({error.strerror}); run this as its owner, or set models.folder"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PullRefused(f"another `her-os models` works in {store}; wait until it has finished") from None
        yield


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
