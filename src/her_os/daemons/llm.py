"""her-os-llm: the language model server. llama-server itself where there is one, else the wheel's, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from her_os.contracts.errors import ConfigError
from her_os.engines.llama_server_command import (
    ServerOptions,
    api_key_file,
    find_server,
    is_embedded,
    read_help,
    server_arguments,
    server_environment,
    server_options,
)
from her_os.engines.llama_wheel_server import start_wheel_server
from her_os.service.held_start import wait_for_go
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)


async def main(settings: Settings, secrets: Secrets) -> int:
    """Serve until a signal ends the process; `/health` tells when the model is loaded. Returns no status of its own.

    Raises ConfigError (host, model file, binary), EngineError (the server did not start).
    """
    if settings.llm.remote:
        from her_os.daemons import remote_llm  # an HTTP server that a real llama-server does without

        return await remote_llm.main(settings, secrets)
    options = server_options(settings)
    _introduce(settings, options)
    binary = find_server(settings)
    options = with_mapping(settings, options, binary)
    if binary is None:
        with contextlib.suppress(ImportError):  # said clearly when it is needed
            importlib.import_module("xllamacpp")
    await wait_for_go()
    if binary is not None:
        arguments = [str(binary), *server_arguments(options, read_help(binary))]
        arguments += ["--api-key-file", str(api_key_file(secrets.llm_api_key))]
        log.info("becoming %s", " ".join(arguments))
        _become(arguments, server_environment(os.environ))
    log.info("no llama-server here: serving from the xllamacpp wheel on %s:%d", options.host, options.port)
    # llama.cpp waits for open streams when it stops, and Python cannot run a handler while it loads. There is
    # nothing to save, so the kernel's own way of ending a process is the prompt and the right one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    server = start_wheel_server(options, secrets.llm_api_key)
    log.info("ready on %s (%s, %d slots)", server.listening_address, options.model.name, options.slots)
    await asyncio.Event().wait()
    return 0


def with_mapping(settings: Settings, options: ServerOptions, binary: Path | None) -> ServerOptions:
    """The options for `services.llm.mmapped`. Raises ConfigError where the server cannot do without."""
    if settings.services.llm.mmapped:
        return options
    if binary is None:
        raise ConfigError(
            "must be true without a real llama-server: the wheel's always maps its model; or run "
            "./start.sh --build-llama-server",
            file=settings.source,
            field="services.llm.mmapped",
        )
    flags = ("--load-mode", "none") if "--load-mode" in read_help(binary) else ("--no-mmap",)
    return replace(options, extra_args=(*flags, *options.extra_args))


def _introduce(settings: Settings, options: ServerOptions) -> None:
    if is_embedded(settings):
        log.warning(
            "the embedded model is tiny. It can do timers, the time, the date, sums, contacts and small talk, and "
            "says so when it cannot. For a real one, name a GGUF file: `llm: {model: /path/to/model.gguf}` in %s",
            settings.source or "config/her-os.yaml",
        )
    else:
        log.info("model %s (%.0f MB)", options.model, options.model.stat().st_size / 1e6)


def _become(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Replace this process: whoever supervises it watches llama-server, nothing in between."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execve(arguments[0], arguments, environment)  # noqa: S606 - no shell is wanted
