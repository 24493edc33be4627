"""Chatterbox's package and torch, imported when an engine loads: only its own environment has them.

Handled here, because they break the import or the first use: torchaudio's wheel asks for CUDA's libraries though only
its Python parts are needed; the watermarker is silently absent where setuptools is too new; the hub would be asked over
the network for optional files; progress bars would be written into the log.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from types import ModuleType
from typing import Any

from her_os.contracts.errors import ConfigError
from her_os.engines.tts_chatterbox_variants import Variant

_TALKATIVE = ("chatterbox.models.t3.t3", "chatterbox.models.s3gen.flow_matching")
"""They print and draw bars at every utterance."""


def require_installed(python: str) -> None:
    """Raise ConfigError with what installs it, unless another interpreter is named, which will see for itself."""
    if not python and importlib.util.find_spec("chatterbox") is None:
        raise _not_installed()


def import_library(variant: Variant) -> Any:
    """The library's class of the variant, a type. Raises ConfigError with what to install."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    _without_compiled_torchaudio()
    try:
        module = importlib.import_module(variant.module)
        perth = importlib.import_module("perth")
    except ModuleNotFoundError as error:
        if error.name not in {"chatterbox", "torch", "perth"}:
            raise
        raise _not_installed() from error
    if perth.PerthImplicitWatermarker is None:
        raise ConfigError(
            "chatterbox's watermarker cannot be imported: setuptools is too new in its environment; build it again "
            "with scripts/engine_environment.sh chatterbox",
            field="tts.python",
        )
    logging.getLogger("chatterbox").setLevel(logging.ERROR)
    for name in _TALKATIVE:
        talkative: Any = importlib.import_module(name)
        talkative.tqdm, talkative.print = _no_bar, _not_printed
    return getattr(module, variant.library_class)


def _no_bar(steps: Any, **_how: Any) -> Any:
    return steps


def _not_printed(*_said: Any, **_how: Any) -> None:
    """Nothing."""


def _without_compiled_torchaudio() -> None:
    if "torchaudio" in sys.modules:
        return
    extension: Any = ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = _no_bar
    extension._load_lib = _not_printed
    extension._check_cuda_version = _not_printed
    sys.modules.setdefault("torchaudio._extension", extension)


def _not_installed() -> ConfigError:
    return ConfigError(
        "chatterbox is not installed here; run scripts/engine_environment.sh chatterbox, which says what to write into "
        "tts.python",
        field="tts.engine",
    )
