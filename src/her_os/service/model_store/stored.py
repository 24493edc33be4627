"""What is in the store: found by name, for engines; no network, and nothing that a daemon would not have anyway."""

from __future__ import annotations

from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.service.model_store.catalogue import read_catalogue
from her_os.settings import Settings

RECORD = "her-os-model.json"
"""In each model's folder: what it is, for a stick that carries it elsewhere."""


def store_folder(settings: Settings) -> Path:
    """Where models are kept: `models.folder`, else `model-store` in the cache."""
    if settings.models.folder:
        return settings.resolve(Path(settings.models.folder))
    return settings.environment.cache_dir.expanduser() / "model-store"


def stored_folder(settings: Settings, wanted: str, engine: str) -> Path | None:
    """The folder of a model by the name or alias that `engine` was given; None where it is not in the store.

    Raises ConfigError where the owner's catalogue cannot be read.
    """
    if not wanted or "/" in wanted or wanted.startswith("."):
        return None
    store = store_folder(settings)
    if (store / wanted / RECORD).is_file():
        return store / wanted
    model = read_catalogue(settings).get(wanted, engine)
    if model is not None and (store / model.name / RECORD).is_file():
        return store / model.name
    return None


def gguf_in(folder: Path) -> Path | None:
    """The GGUF file of a model for llama.cpp; of one in parts, the first."""
    return next(iter(sorted(folder.rglob("*.gguf"))), None)


def advice_for(settings: Settings, wanted: str, engine: str) -> str:
    """What to do about a model that is not in the store; empty where the catalogue does not know it either."""
    try:
        model = read_catalogue(settings).get(wanted, engine)
    except ConfigError as error:
        return str(error)
    if model is None:
        return ""
    return f"it is in the catalogue, not yet on this machine: run `her-os models pull {model.name}`"
