"""Streaming recognisers by the name that the configuration uses. A new engine is one file and one line here.

One that is not ours needs neither: `module:Class` (see `plugin`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.contracts.speech_to_text import SpeechToTextEngine
from her_os.engines.plugin import create_plugin, is_plugin
from her_os.engines.stt_nemotron import NemotronEngine
from her_os.engines.stt_pocketsphinx import PocketsphinxEngine
from her_os.engines.stt_windows import WindowEngine
from her_os.engines.transcript_faster_whisper import FasterWhisper
from her_os.engines.transcript_parakeet import Parakeet
from her_os.settings import Settings
from her_os.settings.load import embedded_config_dir

ENGINES: dict[str, Callable[[Settings], SpeechToTextEngine]] = {
    "pocketsphinx": lambda settings: PocketsphinxEngine(
        domain_phrases_file(settings), settings.environment.cache_dir.expanduser()
    ),
    "nemotron": NemotronEngine,
    "faster-whisper": lambda settings: WindowEngine.create(settings, FasterWhisper.create),
    "parakeet": lambda settings: WindowEngine.create(settings, Parakeet.create),
}


def create_stt_engine(settings: Settings) -> SpeechToTextEngine:
    """An engine, not yet loaded. Raises ConfigError that names the known ones."""
    if is_plugin(settings.stt.engine):
        return create_plugin(settings.stt.engine, "stt.engine")
    make = ENGINES.get(settings.stt.engine)
    if make is None:
        raise ConfigError(
            f"is {settings.stt.engine!r}; known engines: {', '.join(sorted(ENGINES))}",
            file=settings.source,
            field="stt.engine",
        )
    return make(settings)


def domain_phrases_file(settings: Settings) -> Path:
    """The owner's phrases beside the configuration; the ones that ship where the owner named and wrote none."""
    named = settings.stt.domain_phrases
    file = settings.resolve(named)
    embedded = embedded_config_dir() / named.name
    if not file.exists() and named == type(settings.stt)().domain_phrases and embedded.exists():
        return embedded
    return file
