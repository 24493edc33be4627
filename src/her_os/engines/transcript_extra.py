"""What the optional recognisers have in common: a missing package and a missing model say how to mend it."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from her_os.contracts.errors import ConfigError
from her_os.engines.recogniser_wishes import RecogniserWishes
from her_os.service.model_store.stored import advice_for, stored_folder


def require_installed(module: str, extra: str, wishes: RecogniserWishes) -> None:
    """Raise ConfigError with what installs it, unless the workers have another interpreter, which will see."""
    if not wishes.asked.python and importlib.util.find_spec(module) is None:
        raise _not_installed(extra, wishes)


def import_extra(module: str, extra: str, wishes: RecogniserWishes) -> ModuleType:
    """The module of an extra. Raises ConfigError with what installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise _not_installed(extra, wishes) from error


def _not_installed(extra: str, wishes: RecogniserWishes) -> ConfigError:
    return ConfigError(
        f"is {extra!r}, which is not installed here; run `her-os install --engine {extra}`, which says what to "
        f"write into {wishes.section}.python",
        file=wishes.settings.source,
        field=wishes.engine_field,
    )


def model_folder(wishes: RecogniserWishes, default: str) -> tuple[str, Path | None]:
    """Name of the model, and its folder: in the store, or the section's `model`. Raises ConfigError for one not there.

    Anything with a slash is a folder: a name must never be taken for a folder that happens to be in the working
    directory, as the libraries would.
    """
    wanted = wishes.asked.model or default
    if "/" not in wanted:
        return wanted, stored_folder(wishes.settings, wanted, wishes.engine)
    folder = wishes.settings.resolve(Path(wanted))
    if not folder.is_dir():
        raise wishes.complaint(f"{folder} is no folder with a model", "model")
    return folder.name, folder


def unusable(wishes: RecogniserWishes, where: str, error: Exception) -> ConfigError:
    """The model is not there, not whole, or of another kind."""
    told = str(error).strip().splitlines()
    reason = told[0] if told else type(error).__name__
    advice = "" if "/" in where else advice_for(wishes.settings, where, wishes.engine)
    advice = advice or "name a folder with the model, or let it be fetched once with a network"
    return wishes.complaint(f"{where} cannot be loaded ({reason}); {advice}", "model")
