"""The speech-to-text daemon: composition root. One streaming engine, one process, a WebSocket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from her_os.contracts.errors import ConfigError
from her_os.contracts.speech_to_text import SpeechToTextEngine
from her_os.daemons.stt_metrics import SttMetrics
from her_os.daemons.stt_sessions import Sessions
from her_os.daemons.stt_socket import PATH, SttSocket
from her_os.engines.stt_registry import create_stt_engine
from her_os.service.http_daemon import HttpDaemon
from her_os.service.readiness import Readiness
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)

SESSIONS_A_CALL = 2
"""One open and one draining: a barge-in opens the next session while the last one is let go."""

_RELEASE_S = 3.0


async def main(settings: Settings, secrets: Secrets, engine: SpeechToTextEngine | None = None) -> int:
    """Run until a signal. `engine` takes the place of the configured one. Returns the exit status."""
    return await build(settings, secrets, engine or create_stt_engine(settings)).run()


def build(settings: Settings, secrets: Secrets, engine: SpeechToTextEngine) -> HttpDaemon:
    """Wire the daemon. Raises ConfigError where more than one worker is asked for."""
    stt = settings.stt
    if settings.environment.web_concurrency > 1:
        raise ConfigError(
            f"is {settings.environment.web_concurrency}; the session cap holds for one process, so only 1 is allowed",
            file="environment",
            field="WEB_CONCURRENCY",
        )
    engine_alive: Callable[[], bool] = getattr(engine, "alive", lambda: True)
    registry, readiness, stop = CollectorRegistry(), Readiness(), asyncio.Event()
    sessions = Sessions(engine, SESSIONS_A_CALL * settings.phone.max_calls)
    metrics = SttMetrics(registry, sessions=lambda: sessions.held, session_cap=sessions.cap)
    socket = SttSocket(
        sessions,
        metrics,
        readiness,
        stop,
        token=secrets.stt_token,
        engine_name=engine.name,
        sample_rate=engine.sample_rate,
        max_message_bytes=stt.max_message_bytes,
    )

    async def load() -> str:
        readiness.describe(f"loading {engine.name}")
        await asyncio.to_thread(engine.load)
        return f"{engine.name}, {engine.sample_rate} Hz, at most {sessions.cap} sessions"

    async def close() -> None:
        if not await sessions.wait_empty(_RELEASE_S):
            log.error("%d sessions hang in the engine", sessions.held)
        await asyncio.to_thread(engine.unload)

    return HttpDaemon(
        name="her-os-stt",
        host=stt.host,
        port=stt.port,
        token=secrets.stt_token,
        routes=socket.routes(),
        websocket_paths=(PATH,),
        load=load,
        loads_ahead=True,
        close=close,
        alive=lambda: sessions.alive() and engine_alive(),
        readiness=readiness,
        metrics=registry,
        stop=stop,
    )
