"""A daemon whose engine has an environment of its own runs on that environment's interpreter, all of it.

The process stays the same one (exec): same id, same parent, same descriptors, so neither systemd nor the loader sees
anything of it. An engine in the daemon itself needs no second process between a cancel and the thread it shall reach.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.settings import Settings
from her_os.settings.load import child_environment

log = logging.getLogger(__name__)
_HEARD_IN_THE_DAEMON = ("nemotron",)
"""Recognisers that keep a stream's state; the others have a worker process, to which `stt.python` then belongs."""


def move_into_environment(settings: Settings, daemon: str, arguments: Sequence[str]) -> None:
    """Become `her-os ARGUMENTS` on the interpreter that the daemon's engine needs; return where we are it already.

    Raises ConfigError for an interpreter that is not there.
    """
    interpreter = interpreter_of(settings, daemon)
    if interpreter is None or os.path.abspath(interpreter) == os.path.abspath(sys.executable):
        return
    log.info("%s runs on %s", daemon, interpreter)
    os.execve(interpreter, [str(interpreter), "-m", "her_os.cli", *arguments], child_environment(settings))  # noqa: S606


def interpreter_of(settings: Settings, daemon: str) -> Path | None:
    """The interpreter that a daemon's engine asks for, None: any. Raises ConfigError for one that is not there."""
    asked = settings.tts.python if daemon == "tts" else ""
    if daemon == "stt" and settings.stt.engine in _HEARD_IN_THE_DAEMON:
        asked = settings.stt.python
    if not asked:
        return None
    path = settings.resolve(Path(asked))
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigError(
            f"{path} is no program; run scripts/engine_environment.sh, which names one", field=f"{daemon}.python"
        )
    return path
