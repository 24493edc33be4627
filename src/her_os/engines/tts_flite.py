"""The embedded voice: CMU flite through ctypes, streaming, with a cancel that is looked at in every callback.

Source: flite 2.2, `include/cst_audio.h` (cst_audio_streaming_info, CST_AUDIO_STREAM_STOP is -1) and
`include/flite.h`. Debian package `libflite1`. About 32 ms of audio a callback, so a running synthesis leaves
within one callback of the event. Text analysis has no callback, therefore texts are cut first (`tts_pieces`).
"""

from __future__ import annotations

import ctypes as c
import threading
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import ConfigError, EngineError, SynthesisError
from her_os.contracts.text_to_speech import SynthesisReport
from her_os.engines.tts_pieces import cut_pieces

VOICES = ("rms", "slt", "kal16", "awb")
"""The first is the default: the recogniser understood it best (93.9 % of words at 16 kHz)."""

CHUNK_SAMPLES = 512
_STREAM_CONTINUE, _STREAM_STOP = 0, -1


class _Wave(c.Structure):
    _fields_ = (
        ("type", c.c_char_p),
        ("sample_rate", c.c_int),
        ("num_samples", c.c_int),
        ("num_channels", c.c_int),
        ("samples", c.POINTER(c.c_short)),
    )


class _StreamingInfo(c.Structure):
    """Its fields are set below: the callback's type names this class."""


_Callback = c.CFUNCTYPE(c.c_int, c.POINTER(_Wave), c.c_int, c.c_int, c.c_int, c.POINTER(_StreamingInfo))
_StreamingInfo._fields_ = (  # pyright: ignore[reportPrivateUsage]
    ("min_buffsize", c.c_int),
    ("asc", _Callback),
    ("utt", c.c_void_p),
    ("item", c.c_void_p),
    ("userdata", c.c_void_p),
)


class _Voice(c.Structure):
    _fields_ = (("name", c.c_char_p), ("features", c.c_void_p))


def flite_is_installed() -> bool:
    """Whether the flite libraries can be loaded here."""
    try:
        _library(f"libflite_cmu_us_{VOICES[0]}")
    except OSError:
        return False
    return True


def _library(name: str) -> c.CDLL:
    """Load by soname. RTLD_GLOBAL because the voices need symbols of the lexicon libraries."""
    return c.CDLL(f"{name}.so.1", mode=c.RTLD_GLOBAL)


_one_at_a_time = threading.Lock()
"""Flite's lexicon and voices are static data of the process, shared by all engines in it."""


class FliteEngine:
    """TextToSpeechEngine over libflite."""

    name = "flite"

    def __init__(self) -> None:
        self._flite: c.CDLL | None = None
        self._voices: dict[str, tuple[Any, Any]] = {}
        self._sample_rate = 0

    @property
    def sample_rate(self) -> int:
        if not self._sample_rate:
            raise EngineError("flite has no sample rate before it is loaded")
        return self._sample_rate

    @property
    def voices(self) -> tuple[str, ...]:
        return VOICES

    def load(self) -> None:
        try:
            self._flite, self._voices = _flite_of_this_process()
        except (OSError, AttributeError) as error:
            raise ConfigError(
                f"flite cannot be loaded ({error}); install the package libflite1, or set the engine to espeak",
                field="tts.engine",
            ) from error
        self._sample_rate = self._warm()

    def _warm(self) -> int:
        """Speak once with every voice; all of them must have one rate. Returns it."""
        rates = {voice: _speak_piece(self._loaded(), *self._voices[voice], "Ready.", _Run.idle()) for voice in VOICES}
        if len(set(rates.values())) != 1:
            raise EngineError(f"the flite voices differ in sample rate: {rates}")
        return rates[VOICES[0]]

    def _loaded(self) -> c.CDLL:
        if self._flite is None:
            raise EngineError("flite is not loaded")
        return self._flite

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        flite = self._loaded()
        if voice and voice not in self._voices:
            raise ConfigError(f"flite has no voice {voice!r}; known: {', '.join(VOICES)}")
        voice_pointer, info = self._voices[voice or VOICES[0]]
        run = _Run(cancel, emit)
        for piece in cut_pieces(text):
            if cancel.is_set():
                run.stopped = True
            if run.stopped:
                break
            _speak_piece(flite, voice_pointer, info, piece, run)
        return SynthesisReport(run.samples, run.steps, run.stopped, run.steps_after_cancel)

    def set_manner(self, voice: str, *, stretch: float, pitch_hz: float) -> None:
        """From now on `voice` takes `stretch` times as long, at a mean pitch.

        For training data, not for the sidecar: the voices are shared by all engines of the process.
        """
        features = self._voices[voice][0].contents.features
        for name, value in ((b"duration_stretch", stretch), (b"int_f0_target_mean", pitch_hz)):
            self._loaded().flite_feat_set_float(features, name, value)

    def unload(self) -> None:
        """Forget the library. Its voices are static data of the process, there is nothing to free."""
        self._flite = None
        self._voices = {}


class _Run:
    """What one synthesis counts. A step is one callback; one that comes after we said stop is counted as such."""

    def __init__(self, cancel: threading.Event, emit: Callable[[bytes], None]) -> None:
        self.cancel, self.emit = cancel, emit
        self.samples = self.steps = self.steps_after_cancel = self.rate = 0
        self.stopped = False
        self.failure: BaseException | None = None

    @classmethod
    def idle(cls) -> _Run:
        """A run whose audio nobody hears."""
        return cls(threading.Event(), lambda _pcm: None)

    def on_chunk(self, wave: Any, start: int, size: int, _last: int, _info: Any) -> int:
        """Called by flite: `size` new samples at `start`. An exception cannot pass through C, so it is kept."""
        if self.stopped or self.failure:
            self.steps_after_cancel += 1
            return _STREAM_STOP
        self.steps += 1
        self.rate = int(wave.contents.sample_rate)
        try:
            if not self.cancel.is_set() and size > 0:
                first = c.addressof(wave.contents.samples.contents) + SAMPLE_WIDTH * start
                self.emit(c.string_at(first, SAMPLE_WIDTH * size))
                self.samples += size
        except BaseException as error:  # noqa: BLE001 - raised again outside the callback
            self.failure = error
        self.stopped = self.cancel.is_set()
        return _STREAM_STOP if self.stopped or self.failure else _STREAM_CONTINUE


def _speak_piece(flite: c.CDLL, voice: Any, info: Any, piece: str, run: _Run) -> int:
    """Synthesise one piece through `run`. Returns the sample rate that flite named. Raises what `emit` raised."""
    callback = _Callback(run.on_chunk)
    with _one_at_a_time:
        info.contents.asc = callback
        utterance = flite.flite_synth_text(_ascii(piece), c.cast(voice, c.c_void_p))
        if utterance:
            flite.delete_utterance(utterance)
    if run.failure is not None:
        raise run.failure
    if not utterance:
        raise SynthesisError("flite gave no utterance")
    return run.rate


def _ascii(text: str) -> bytes:
    """Flite's lexicon is ASCII: accents are folded (`caf\u00e9` -> cafe), what has no ASCII form is left out."""
    plain = text.replace("\u2019", "'").replace("\u2026", "...").replace("\u2014", ", ").replace("\u00df", "ss")
    return unicodedata.normalize("NFKD", plain).encode("ascii", "ignore")


@cache
def _flite_of_this_process() -> tuple[c.CDLL, dict[str, tuple[Any, Any]]]:
    """The library and its voices, set up once: a second registration would free what the first one handed out."""
    flite = _library("libflite")
    _library("libflite_cmulex")
    _library("libflite_usenglish")
    flite.flite_init()
    _declare(flite)
    return flite, {voice: _register(flite, voice) for voice in VOICES}


def _declare(flite: c.CDLL) -> None:
    flite.new_audio_streaming_info.restype = c.POINTER(_StreamingInfo)
    flite.audio_streaming_info_val.restype = c.c_void_p
    flite.audio_streaming_info_val.argtypes = [c.c_void_p]
    flite.feat_set.argtypes = [c.c_void_p, c.c_char_p, c.c_void_p]
    flite.feat_set.restype = None
    flite.flite_feat_set_float.argtypes = [c.c_void_p, c.c_char_p, c.c_float]
    flite.flite_feat_set_float.restype = None
    flite.flite_synth_text.restype = c.c_void_p
    flite.flite_synth_text.argtypes = [c.c_char_p, c.c_void_p]
    flite.delete_utterance.argtypes = [c.c_void_p]
    flite.delete_utterance.restype = None


def _register(flite: c.CDLL, name: str) -> tuple[Any, Any]:
    """Register a voice and give it streaming. Returns pointers to the voice and its streaming info.

    The voice owns the streaming info. A second registration returns the same voice, and its new info frees the old.
    """
    register = getattr(_library(f"libflite_cmu_us_{name}"), f"register_cmu_us_{name}")
    register.restype = c.POINTER(_Voice)
    register.argtypes = [c.c_char_p]
    voice = register(None)
    info = flite.new_audio_streaming_info()
    info.contents.min_buffsize = CHUNK_SAMPLES
    flite.feat_set(voice.contents.features, b"streaming_info", flite.audio_streaming_info_val(info))
    return voice, info
