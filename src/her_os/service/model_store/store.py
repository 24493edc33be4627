"""What is on this machine: list it, check it, remove it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.service.model_store import lock
from her_os.service.model_store.catalogue import Catalogue, Model
from her_os.service.model_store.download import Report, sha256_of
from her_os.service.model_store.stored import RECORD


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue, of the store, or of both."""

    name: str
    model: Model | None
    locked: lock.Locked | None
    here: bool

    @property
    def size(self) -> int:
        """Bytes; 0 where nobody knows."""
        if self.here and self.locked:
            return sum(file.size for file in self.locked.files)
        return self.model.known_size if self.model else 0


def entries(store: Path, catalogue: Catalogue) -> list[Entry]:
    """All of them, by name."""
    locked = lock.read_lock(store)
    here = {path.parent.name for path in store.glob(f"*/{RECORD}")}
    names = sorted({*catalogue.models, *here})
    return [Entry(name, catalogue.models.get(name), locked.get(name), name in here) for name in names]


def verify(store: Path, name: str, catalogue: Catalogue, progress: Callable[[str], Report] | None = None) -> list[str]:
    """What is wrong with a model that is here: files missing, of another size or content. Reads all of it.

    Against the catalogue where it pins the model, else against what was remembered when it came. Raises ConfigError
    where it is not here.
    """
    if not (store / name / RECORD).is_file():
        raise ConfigError(f"{name} is not in {store}; `her-os models pull {name}`")
    return _wrong(store, name, catalogue.get(name), progress or _silent)


def _silent(_path: str) -> Report:
    return lambda _here, _all: None


def _wrong(store: Path, name: str, model: Model | None, progress: Callable[[str], Report]) -> list[str]:
    folder, wrong = store / name, list[str]()
    for path, (size, checksum) in _expected(store, folder, model).items():
        file = folder / path
        if not file.is_file():
            wrong.append(f"{path} is missing")
        elif size and file.stat().st_size != size:
            wrong.append(f"{path} has {file.stat().st_size} bytes, expected {size}")
        elif sha256_of(file, progress(path)) != checksum:
            wrong.append(f"{path} is damaged or was changed: another SHA-256 than {checksum[:12]}...")
    return wrong


def is_good(store: Path, model: Model) -> bool:
    """Whether it is here and every file is known to be what it should be. Reads all of it."""
    known = model.pinned or model.name in lock.read_lock(store)
    return known and (store / model.name / RECORD).is_file() and not _wrong(store, model.name, model, _silent)


def remove(store: Path, name: str, *, forget: bool = False) -> int:
    """Delete a model and what was fetched of it. Returns the bytes that are free now. Raises ConfigError.

    Its sums stay remembered unless `forget`.
    """
    folders = [folder for folder in (store / name, store / ".parts" / name) if folder.is_dir()]
    if not folders and not (forget and name in lock.read_lock(store)):
        raise ConfigError(f"{name} is not in {store}; `her-os models list` shows what is")
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    for folder in folders:
        shutil.rmtree(folder)
    if forget:
        lock.forget(store, name)
    return size


def models_in(folder: Path, catalogue: Catalogue) -> list[tuple[Model, Path]]:
    """The models that a folder or stick holds: by the record that a pull leaves, else by the folder's name."""
    found: list[tuple[Model, Path]] = []
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        name = place.resolve().name
        record = place / RECORD
        if record.is_file():
            try:
                name = msgspec.json.decode(record.read_bytes(), type=lock.Locked).name
            except msgspec.MsgspecError:
                continue
        if (model := catalogue.get(name)) is not None:
            found.append((model, place))
    return found


def _expected(store: Path, folder: Path, model: Model | None) -> dict[str, tuple[int, str]]:
    locked = lock.read_lock(store).get(folder.name)
    if model is not None and model.pinned:
        optional = {file.path for file in model.files if file.optional and not (folder / file.path).exists()}
        return {file.path: (file.size, file.sha256) for file in model.files if file.path not in optional}
    if locked is None:
        raise ConfigError(
            f"{folder.name} cannot be checked: the catalogue does not pin it, and {store / 'lock.json'} does not know "
            f"it; pull or import it again"
        )
    return {file.path: (file.size, file.sha256) for file in locked.files}
