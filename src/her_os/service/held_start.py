"""A daemon that is started before its turn: it prepares, says so, and waits for the word to go on.

Its supervisor sets HER_OS_HELD and keeps the other end of its standard input: a line means go, the end of it means
that the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import sys

from her_os.service.notify import sd_notify

HELD = "HER_OS_HELD"
PREPARED = "HER_OS_PREPARED"
"""Name of the notification that the daemon has prepared all it can."""
GO = b"go\n"


def is_held() -> bool:
    """Whether this process must wait for the word."""
    return os.environ.get(HELD) == "1"


async def wait_for_go() -> None:
    """Say that everything is prepared, and wait for the word, once; a no-op where nobody holds us.

    Ends the process when the supervisor is gone.
    """
    if os.environ.pop(HELD, "") != "1":
        return
    sd_notify(**{PREPARED: "1", "STATUS": "prepared, waiting for its turn"})
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    with open(os.devnull, "rb") as nothing:  # noqa: ASYNC230 - what we become next shall not read our pipe
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        if not await reader.readline():
            raise SystemExit(0)
    finally:
        transport.close()
