"""The catalogue: which models there are, from where, under which licence, and what each file must be.

One file ships with her-os (`data/models.yaml`); an owner adds entries in a file of the same form, named by
`models.catalogue`. An entry of the owner's replaces a shipped one of the same name.

An entry is **pinned** when its revision is a commit and each of its files has a SHA-256. Any other can be downloaded
only by saying so (see `puller`).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta

from her_os.contracts.errors import ConfigError
from her_os.settings import Settings
from her_os.settings.section import Section
from her_os.settings.yaml_file import read_yaml

_COMMIT = re.compile(r"[0-9a-f]{40}")
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][A-Za-z0-9._-]{0,79}$")]


class ModelFile(Section, frozen=True):
    """One file. `path` is its place in the repository and in the store."""

    path: str
    size: Annotated[int, Meta(ge=0)] = 0
    """Bytes; 0: not known."""
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Empty: not pinned yet."""
    url: str = ""
    """Where it is, if not in the repository."""
    optional: bool = False
    """A pull goes on without it where the server has none."""

    def __post_init__(self) -> None:
        """Refuse a path that leads out of the model's folder; msgspec adds where."""
        path = PurePosixPath(self.path)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in self.path:
            raise ValueError(f"`path` {self.path!r} must be a file below the model's own folder")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"`url` {self.url!r} must begin with https:// or http://")


class Model(Section, frozen=True):
    """One entry."""

    name: Name
    engine: str
    """Which engine reads it: `llm`, `parakeet`, `faster-whisper`, `nemotron`, `sherpa`, `chatterbox`, or your own."""
    files: Annotated[tuple[ModelFile, ...], Meta(min_length=1)]
    licence: str
    licence_url: str = ""
    repository: str = ""
    """`owner/name` at the hub (`models.hub`)."""
    revision: str = "main"
    """A commit pins it; a branch may move."""
    aliases: tuple[str, ...] = ()
    """What the engine's library calls it."""
    memory_mb: Annotated[int, Meta(ge=0)] = 0
    """What it takes while it runs, as measured; 0: not measured."""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse an entry from which nothing could be fetched."""
        if not self.repository and not all(file.url for file in self.files):
            raise ValueError("needs `repository`, or a `url` for each file")
        paths = [file.path for file in self.files]
        if len(set(paths)) < len(paths):
            raise ValueError("names a file twice")

    @property
    def pinned(self) -> bool:
        """Whether it says exactly which bytes it means."""
        fixed = not self.repository or bool(_COMMIT.fullmatch(self.revision))
        return fixed and all(file.sha256 for file in self.files)

    @property
    def known_size(self) -> int:
        """Bytes, as far as the entry tells; 0 where it does not tell of every file."""
        sizes = [file.size for file in self.files if not file.optional]
        return sum(sizes) if all(sizes) else 0

    def url(self, file: ModelFile, hub: str) -> str:
        """Where `file` is."""
        return file.url or f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{file.path}"


class CatalogueFile(Section, frozen=True):
    """The form of the file."""

    models: tuple[Model, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """All entries, by name."""

    models: dict[str, Model]

    def find(self, name: str) -> Model:
        """The entry of that name or alias. Raises ConfigError that names close ones."""
        if model := self.get(name):
            return model
        names = sorted(self.models)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else "`her-os models list` names them"
        raise ConfigError(f"there is no model {name!r} in the catalogue; {hint}")

    def get(self, name: str, engine: str = "") -> Model | None:
        """The same, or None. With `engine` an alias counts only where that engine reads the model."""
        if name in self.models:
            return self.models[name]
        for model in self.models.values():
            if name in model.aliases and engine in {"", model.engine}:
                return model
        return None


def read_catalogue(settings: Settings) -> Catalogue:
    """Shipped entries and the owner's. Raises ConfigError with file, line and field of a mistake."""
    entries = list(_read(Path(str(resources.files("her_os") / "data" / "models.yaml"))))
    own = settings.resolve(settings.models.catalogue)
    if own.is_file():
        entries += _read(own)
    elif settings.models.catalogue != type(settings.models)().catalogue:
        raise ConfigError(
            f"there is no file {own}; write it (docs/MODELS.md), or take the setting out",
            file=settings.source,
            field="models.catalogue",
        )
    return Catalogue({model.name: model for model in entries})


def _read(file: Path) -> tuple[Model, ...]:
    models = read_yaml(file, CatalogueFile).models
    names = [model.name for model in models]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"is {name!r}, as another entry is", file=str(file), field=f"models.{index}.name")
    return models
