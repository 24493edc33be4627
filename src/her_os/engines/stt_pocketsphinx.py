"""The embedded recogniser: pocketsphinx with a language model of the household, on any CPU, nothing downloaded.

It is the fallback that makes a first call work, not the product's best ears: in the household's own manner one word
in twenty is wrong over G.722 and one in seven over G.711, in free speech one in five to one in two.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.contracts.speech_to_text import RecognitionSession
from her_os.engines.stt_domain_phrases import read_domain_phrases
from her_os.engines.stt_pocketsphinx_decoders import DecoderPair
from her_os.engines.stt_pocketsphinx_model import ModelFiles, forget_model_files, prepare_model_files
from her_os.engines.stt_pocketsphinx_session import BLOCK_BYTES, SAMPLE_RATE, PocketsphinxSession

log = logging.getLogger(__name__)


class PocketsphinxEngine:
    """SpeechToTextEngine. Decoders are kept for the next session; a further one is made when all are in use."""

    name = "pocketsphinx"
    sample_rate = SAMPLE_RATE
    languages: Sequence[str] = ("en",)

    def __init__(self, phrases: Path, cache_dir: Path) -> None:
        self._phrases, self._cache_dir = phrases, cache_dir
        self._turn = threading.Lock()
        self._pool = threading.Lock()
        self._idle: list[DecoderPair] = []
        self._first: DecoderPair | None = None
        self._files: ModelFiles | None = None

    def load(self) -> None:
        domain = read_domain_phrases(self._phrases)
        files = prepare_model_files(domain, self._cache_dir)
        try:
            first = DecoderPair.load(files, self._turn)
        except RecognitionError as error:
            log.warning("%s; compiling them anew", error)
            forget_model_files(files)
            files = prepare_model_files(domain, self._cache_dir)
            first = DecoderPair.load(files, self._turn)
        _warm(first)
        self._files, self._first, self._idle = files, first, [first]

    def open_session(self, session_id: str, language: str) -> RecognitionSession:
        if language.split("-")[0].lower() not in self.languages:
            raise ConfigError(f"{self.name} knows {', '.join(self.languages)}, not {language!r}", field="stt.language")
        return PocketsphinxSession(self._take(), self._give_back)

    def unload(self) -> None:
        with self._pool:
            self._idle.clear()
            self._first = None

    def _take(self) -> DecoderPair:
        with self._pool:
            first, files = self._first, self._files
            if first is None or files is None:
                raise RecognitionError("the recogniser is not loaded")
            if self._idle:
                return self._idle.pop()
        return first.another(files)

    def _give_back(self, decoders: DecoderPair) -> None:
        with self._pool:
            if self._first is not None and not decoders.broken:
                self._idle.append(decoders)


def _warm(decoders: DecoderPair) -> None:
    """Touch what the first caller would wait for."""
    decoders.start()
    for _ in range(5):
        decoders.feed(bytes(BLOCK_BYTES))
    decoders.finish(0)
    decoders.reset()
