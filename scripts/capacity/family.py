"""The real family with the scripted engines, ready for so many calls."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.e2e.running_family import Family, running_family
from tests.ports import free_ports

SCRIPTS = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def scripted_family(folder: Path, calls: int) -> AsyncIterator[Family]:
    """Start it in `folder`; it takes `calls` and one more."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ports = free_ports(4 * calls + 8)
    changes: dict[str, dict[str, Any]] = {
        "phone": {
            "max_calls": calls + 1,
            "record_calls": False,
            "log_speech": False,
            "rtp_port_min": ports,
            "rtp_port_max": ports + 4 * calls + 7,
        },
        "stt": {"engine": "capacity.engines:ScriptedRecogniser"},
        "tts": {"engine": "capacity.engines:ScriptedVoice"},
        "llm": {"server_binary": str(SCRIPTS / "capacity" / "llama-server")},
    }
    async with running_family(folder, barge_in=True, changes=changes) as family:
        yield family
