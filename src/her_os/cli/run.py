"""`her-os run`: the whole assistant in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.daemons.single_process import run_together
from her_os.daemons.supervisor import supervise
from her_os.loader.port_hygiene import PortTaken
from her_os.service.http_daemon import run_daemon
from her_os.service.line_sink import LineSink
from her_os.service.logging import setup_logging
from her_os.settings import load_secrets, load_settings

EXIT_UNAVAILABLE = 69


def run(
    config: ConfigFile = None,
    single_process: Annotated[
        bool, typer.Option("--single-process", help="All in one process, for a debugger: sound may drop out.")
    ] = False,
) -> None:
    """Run the assistant in the foreground: wake word, llm, stt, tts and phone, each a process of its own, in one log.

    Each starts when the one before it is ready. One that ends is started again. Ctrl-C stops all of them in order,
    a second Ctrl-C at once.

    Exit status: 0 stopped on request, 1 a daemon could not be brought up, 69 a port is taken, 78 the
    configuration is wrong.
    """
    settings = load_settings(config)
    secrets = load_secrets(settings.environment.secrets_file)
    sink = LineSink(sys.stderr, os.environ)
    setup_logging("loader", settings.environment.log_level, sink)
    if single_process:
        raise typer.Exit(run_daemon(lambda: run_together(settings, secrets)))
    try:
        status = asyncio.run(supervise(settings, secrets, sink, config.resolve() if config else None))
    except PortTaken as error:
        sys.stderr.write(f"her-os: {error}\n")
        status = EXIT_UNAVAILABLE
    raise typer.Exit(status)
