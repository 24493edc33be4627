"""The real supervisor over four stand-in daemons: `python -m tests.fakes.daemon_family CONFIG NAME=BEHAVIOUR...`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from her_os.daemons.supervisor import supervise
from her_os.service.line_sink import LineSink
from her_os.service.logging import setup_logging
from her_os.settings import Secrets, load_settings

SECRETS = Secrets(*(f"{name}-token-of-the-tests" for name in ("stt", "tts", "llm", "phone", "loader")))
STAND_IN = Path(__file__).with_name("daemon.py")


def main(config: str, *behaviours: str) -> int:
    chosen = dict(behaviour.split("=") for behaviour in behaviours)
    settings = load_settings(Path(config))
    sink = LineSink(sys.stderr, os.environ)
    setup_logging("loader", "INFO", sink)
    return asyncio.run(
        supervise(
            settings,
            SECRETS,
            sink,
            command_for=lambda name: [sys.executable, str(STAND_IN), name, chosen.get(name, "good")],
        )
    )


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
