"""Synthesisers by the name that the configuration uses. A new engine is one file and one line here.

One that is not ours needs neither: `module:Class` (see `plugin`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from her_os.contracts.errors import ConfigError
from her_os.contracts.text_to_speech import TextToSpeechEngine
from her_os.engines.plugin import create_plugin, is_plugin
from her_os.engines.tts_chatterbox import ChatterboxEngine
from her_os.engines.tts_chatterbox_variants import VARIANTS
from her_os.engines.tts_espeak import EspeakEngine
from her_os.engines.tts_flite import FliteEngine, flite_is_installed
from her_os.settings import Settings

log = logging.getLogger(__name__)

ENGINES: dict[str, Callable[[Settings], TextToSpeechEngine]] = {
    "flite": lambda _settings: FliteEngine() if flite_is_installed() else _fall_back(),
    "espeak": lambda _settings: EspeakEngine(),
    **dict.fromkeys(VARIANTS, ChatterboxEngine.create),
}


def _fall_back() -> TextToSpeechEngine:
    log.warning("libflite is not installed (package libflite1); speaking with espeak-ng instead, which sounds worse")
    return EspeakEngine()


def create_tts_engine(settings: Settings) -> TextToSpeechEngine:
    """An engine, not yet loaded. Raises ConfigError that names the known ones, or what this one lacks."""
    name = settings.tts.engine
    if is_plugin(name):
        return create_plugin(name, "tts.engine")
    make = ENGINES.get(name)
    if make is None:
        raise ConfigError(f"is {name!r}; known engines: {', '.join(sorted(ENGINES))}", field="tts.engine")
    return make(settings)
