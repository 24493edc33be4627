"""The pip-only fallback voice: espeak-ng from the `espeakng-loader` wheel, through ctypes.

Source: espeak-ng `speak_lib.h` (AUDIO_OUTPUT_SYNCHRONOUS; a callback that returns 1 stops the synthesis).
The library keeps its state in process globals and a third `espeak_Initialize` gave garbage, so it is
initialised once a process and shared by every engine object; one thread at a time.
"""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Callable
from typing import Any

from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import ConfigError, EngineError, SynthesisError
from her_os.contracts.text_to_speech import SynthesisReport
from her_os.engines.tts_pieces import cut_pieces

VOICES = ("en-us", "en")
BUFFER_MS = 60

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_OK = 0
_Callback = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.c_void_p)

_initialising = threading.Lock()
_initialised: list[tuple[c.CDLL, int]] = []
"""At most one entry: the library of this process and its sample rate."""


def espeak_library() -> tuple[c.CDLL, int]:
    """The library of this process and its sample rate. Raises ConfigError, EngineError."""
    with _initialising:
        if not _initialised:
            _initialised.append(_initialise())
        return _initialised[0]


def _initialise() -> tuple[c.CDLL, int]:
    try:
        import espeakng_loader

        library = c.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"espeak-ng cannot be loaded ({error}); install the package espeakng-loader", field="tts.engine"
        ) from error
    library.espeak_Initialize.argtypes = [c.c_int, c.c_int, c.c_char_p, c.c_int]
    library.espeak_SetVoiceByName.argtypes = [c.c_char_p]
    library.espeak_Synth.argtypes = [
        c.c_char_p, c.c_size_t, c.c_uint, c.c_int, c.c_uint, c.c_uint, c.c_void_p, c.c_void_p
    ]  # fmt: skip
    rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, data.encode(), 0)
    if rate <= 0:
        raise EngineError(f"espeak_Initialize answered {rate}")
    return library, rate


class EspeakEngine:
    """TextToSpeechEngine over espeak-ng."""

    name = "espeak"

    def __init__(self) -> None:
        self._espeak: c.CDLL | None = None
        self._sample_rate = 0

    @property
    def sample_rate(self) -> int:
        if not self._sample_rate:
            raise EngineError("espeak has no sample rate before it is loaded")
        return self._sample_rate

    @property
    def voices(self) -> tuple[str, ...]:
        return VOICES

    def load(self) -> None:
        self._espeak, self._sample_rate = espeak_library()
        self.synthesize("Ready.", VOICES[0], threading.Event(), lambda _pcm: None)

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        if self._espeak is None:
            raise EngineError("espeak is not loaded")
        voice = voice or VOICES[0]
        if voice not in VOICES:
            raise ConfigError(f"espeak has no voice {voice!r}; known: {', '.join(VOICES)}")
        if self._espeak.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise SynthesisError(f"espeak-ng refused its own voice {voice!r}")
        run = _Run(cancel, emit)
        callback = _Callback(run.on_chunk)
        self._espeak.espeak_SetSynthCallback(callback)
        for piece in cut_pieces(text):
            if cancel.is_set():
                run.stopped = True
            if run.stopped:
                break
            data = piece.encode("utf-8", "replace")
            status = self._espeak.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
            if run.failure is not None:
                raise run.failure
            if status != _OK:
                raise SynthesisError(f"espeak_Synth answered {status}")
        return SynthesisReport(run.samples, run.steps, run.stopped, run.steps_after_cancel)

    def unload(self) -> None:
        """Let go of the shared library; it stays initialised, because a process can do that only once."""
        self._espeak = None


class _Run:
    """What one synthesis counts. A step is one callback; one that comes after we said stop is counted as such."""

    def __init__(self, cancel: threading.Event, emit: Callable[[bytes], None]) -> None:
        self._cancel, self._emit = cancel, emit
        self.samples = self.steps = self.steps_after_cancel = 0
        self.stopped = False
        self.failure: BaseException | None = None

    def on_chunk(self, samples: Any, count: int, _events: Any) -> int:
        """Called by espeak-ng; null samples or a count of 0 carry events only. An exception is kept for later."""
        if not samples or count <= 0:
            return 1 if self.stopped or self._cancel.is_set() else 0
        if self.stopped or self.failure:
            self.steps_after_cancel += 1
            return 1
        self.steps += 1
        try:
            if not self._cancel.is_set():
                self._emit(c.string_at(samples, SAMPLE_WIDTH * count))
                self.samples += count
        except BaseException as error:  # noqa: BLE001 - raised again outside the callback
            self.failure = error
        self.stopped = self._cancel.is_set()
        return 1 if self.stopped or self.failure else 0
