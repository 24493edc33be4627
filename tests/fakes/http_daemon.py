"""A small real daemon: `python -m tests.fakes.http_daemon good|ahead|config|engine|bug|slow`."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from her_os.contracts.errors import ConfigError, EngineError
from her_os.service.http_daemon import HttpDaemon, run_daemon
from her_os.service.logging import setup_logging

TOKEN = "a-token-for-the-tests"


async def secret(_request: web.Request) -> web.Response:
    return web.Response(text="what strangers must not see")


async def load(behaviour: str) -> str:
    if behaviour == "config":
        raise ConfigError("is wrong; mend it", file="her-os.yaml", line=3, field="tts.voice")
    if behaviour == "engine":
        raise EngineError("the model does not load")
    if behaviour == "bug":
        raise ZeroDivisionError
    if behaviour == "slow":
        await asyncio.sleep(600)
    print("LOADED", file=sys.stderr)
    return "warm"


def daemon(behaviour: str, closed: list[str], host: str = "127.0.0.1") -> HttpDaemon:
    async def close() -> None:
        closed.append("closed")
        print("CLOSED", file=sys.stderr)

    return HttpDaemon(
        name="her-os-test",
        host=host,
        port=0,
        token=TOKEN,
        routes=[web.get("/secret", secret), web.get("/socket", secret)],
        websocket_paths=["/socket"],
        load=lambda: load(behaviour),
        close=close,
        loads_ahead=behaviour != "good",
    )


async def main(behaviour: str) -> int:
    return await daemon(behaviour, []).run()


if __name__ == "__main__":
    setup_logging("test")
    raise SystemExit(run_daemon(lambda: main(sys.argv[1])))
