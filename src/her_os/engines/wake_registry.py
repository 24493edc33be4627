"""Wake word engines by what the configuration names: a model that ships, or a file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.contracts.wake_word import WakeWordEngine
from her_os.engines.wake_features import shipped_models
from her_os.engines.wake_openwakeword import OpenWakeWordEngine
from her_os.settings import Settings


def create_wake_engine(settings: Settings) -> WakeWordEngine:
    """An engine, not yet loaded. Raises ConfigError for a model that is not there."""
    return OpenWakeWordEngine(find_model(settings), threshold=settings.wake.threshold)


def find_model(settings: Settings) -> Path:
    """The file of `wake.model`: `hey_annie`, one of openwakeword's own by its name, or a path."""
    name = settings.wake.model
    if "/" in name or name.endswith((".npz", ".onnx")):
        file = settings.resolve(Path(name))
        if not file.is_file():
            raise ConfigError(
                f"there is no file {file}; expected one that `her-os wake train` wrote, or an openwakeword .onnx",
                field="wake.model",
            )
        return file
    ours = Path(str(files("her_os.data") / f"wake_{name}.npz"))
    if ours.is_file():
        return ours
    theirs = sorted(shipped_models().glob(f"{name}_v*.onnx"))
    if not theirs:
        known = sorted({file.stem.partition("_v0")[0] for file in shipped_models().glob("*_v0*.onnx")})
        raise ConfigError(
            f"is {name!r}; known: hey_annie, {', '.join(known)}, or the path of a model file", field="wake.model"
        )
    return theirs[-1]
