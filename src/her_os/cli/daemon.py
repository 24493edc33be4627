"""`her-os daemon NAME`: one daemon in the foreground, until SIGTERM."""

from __future__ import annotations

import importlib
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.contracts.errors import ConfigError
from her_os.daemons.engine_interpreter import move_into_environment
from her_os.daemons.mistakes import refuse_mistakes
from her_os.service.http_daemon import run_daemon
from her_os.service.logging import setup_logging
from her_os.service.memory import share_memory_arenas
from her_os.service.parent_death import die_with_parent
from her_os.settings import load_secrets, load_settings
from her_os.settings.positions import located


class DaemonName(StrEnum):
    """The daemons of the family; each is the module `her_os.daemons.NAME`, `-` as `_`."""

    LLM = "llm"
    STT = "stt"
    STT_BATCH = "stt-batch"
    TTS = "tts"
    WAKE = "wake"
    PHONE = "phone"
    TRANSCRIPTS = "transcripts"
    LOADER = "loader"


def daemon(
    name: DaemonName,
    config: ConfigFile = None,
    die_with: Annotated[
        int | None, typer.Option(metavar="PID", hidden=True, help="End when this parent process ends.")
    ] = None,
) -> None:
    """Run one daemon in the foreground until SIGTERM or Ctrl-C."""
    if die_with is not None:
        die_with_parent(die_with)
    share_memory_arenas()
    setup_logging(name.value, os.environ.get("HER_OS_LOG_LEVEL", "INFO").strip().upper())

    module_name = name.value.replace("-", "_")

    async def start() -> int:
        settings = load_settings(config)
        try:
            move_into_environment(settings, module_name, sys.argv[1:])
        except ConfigError as error:
            raise located(error, settings.source) from error
        secrets = load_secrets(settings.environment.secrets_file)
        refuse_mistakes(settings, module_name)
        module = importlib.import_module(f"her_os.daemons.{module_name}")
        try:
            return int(await module.main(settings, secrets))
        except ConfigError as error:
            raise located(error, settings.source) from error

    raise typer.Exit(run_daemon(start))
