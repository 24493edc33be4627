"""The text-to-speech daemon: composition root. One engine, one synthesis thread, HTTP, true cancel."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry

from her_os.contracts.errors import ConfigError
from her_os.contracts.text_to_speech import TextToSpeechEngine
from her_os.daemons.tts_http import TtsHttp
from her_os.daemons.tts_metrics import TtsMetrics
from her_os.daemons.tts_sessions import SessionBook
from her_os.daemons.tts_synthesis import SynthesisJob, SynthesisThread
from her_os.engines.tts_registry import create_tts_engine
from her_os.service.http_daemon import HttpDaemon
from her_os.settings import Secrets, Settings

log = logging.getLogger(__name__)


async def main(settings: Settings, secrets: Secrets, engine: TextToSpeechEngine | None = None) -> int:
    """Run until a signal. `engine` takes the place of the configured one. Returns the exit status."""
    return await build(settings, secrets, engine or create_tts_engine(settings)).run()


def build(settings: Settings, secrets: Secrets, engine: TextToSpeechEngine) -> HttpDaemon:
    """Wire the daemon. Raises ConfigError for a voice that the engine does not have."""
    tts = settings.tts
    voice = default_voice(tts.voice, tts.engine, engine)
    registry = CollectorRegistry()
    thread = SynthesisThread(engine)
    book: SessionBook[SynthesisJob] = SessionBook(time.monotonic, tts.tombstone_s)
    metrics = TtsMetrics(registry, waiting=lambda: thread.waiting, open_requests=lambda: book.open_requests)
    http = TtsHttp(thread, book, metrics, default_voice=voice, max_text_chars=tts.max_text_chars)

    async def load() -> str:
        await thread.load()
        return f"{engine.name}, voice {voice or engine.voices[0]}, {engine.sample_rate} Hz"

    return HttpDaemon(
        name="her-os-tts",
        host=tts.host,
        port=tts.port,
        token=secrets.tts_token,
        routes=http.routes(),
        load=load,
        loads_ahead=True,
        close=thread.close,
        alive=thread.alive,
        cancel_on_disconnect=True,
        max_body_bytes=max(1 << 16, 8 * tts.max_text_chars),
        metrics=registry,
    )


def default_voice(wanted: str, configured_engine: str, engine: TextToSpeechEngine) -> str:
    """The configured voice. A fallback engine speaks with its own: the configured one was meant for another.

    Raises ConfigError for a voice that nobody has.
    """
    if not wanted or wanted in engine.voices:
        return wanted
    if engine.name != configured_engine:
        log.warning("voice %s belongs to %s; speaking with %s", wanted, configured_engine, engine.voices[0])
        return ""
    raise ConfigError(f"{engine.name} has no voice {wanted!r}; known: {', '.join(engine.voices)}", field="tts.voice")
