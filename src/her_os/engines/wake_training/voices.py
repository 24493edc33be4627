"""The voices that can be had offline: flite's, and espeak-ng's languages with its many speakers, speeds and pitches."""

from __future__ import annotations

import ctypes as c
import random
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples
from her_os.audio.resample import StreamResampler
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.engines.tts_espeak import espeak_library
from her_os.engines.tts_flite import VOICES as FLITE_VOICES
from her_os.engines.tts_flite import FliteEngine, flite_is_installed

Wave = NDArray[np.float32]
"""Samples of 16 kHz, full scale +-32768."""

_LANGUAGES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-us-nyc")
_NO_PEOPLE = ("robosoft", "unirobot", "demonic", "whisper", "croak", "storm", "fast", "klatt6")
_RATE, _PITCH, _RANGE = 1, 3, 4
"""espeak_PARAMETER of espeak-ng's speak_lib.h."""
_SPEEDS = (0.84, 0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12, 1.16)
"""Played so much faster, in steps that resample well."""


@dataclass(frozen=True)
class Speaker:
    """One voice. `held_out`: only tested with, never trained with."""

    engine: str
    name: str
    held_out: bool


def speakers() -> list[Speaker]:
    """All of them; about a fifth is held out, the assistant's own voice among it."""
    flite = [Speaker("flite", name, name == FLITE_VOICES[0]) for name in FLITE_VOICES] if flite_is_installed() else []
    people = _espeak_people()
    espeak = [
        Speaker("espeak", f"{_LANGUAGES[index % len(_LANGUAGES)]}+{person}", index % 5 == 3)
        for index, person in enumerate(people)
    ]
    return flite + espeak


def say(speaker: Speaker, text: str, rng: random.Random) -> Wave:
    """`text` in this voice, a little different each time, without the silence around it."""
    speed = rng.choice(_SPEEDS)
    if speaker.engine == "flite":
        wave, rate = _say_flite(speaker.name, text)
    else:
        wave, rate = _say_espeak(speaker.name, text, rng.randint(115, 215), rng.randint(25, 75), rng.randint(25, 75))
        speed = 1.0
    resampler = StreamResampler(round(rate * speed), CONVERSATION_RATE, align=True)
    return _trimmed(samples(resampler.process(wave) + resampler.flush()).astype(np.float32))


def sounds_like(text: str) -> str:
    """How espeak-ng's American English says it, without stress: the same for words that nobody can tell apart."""
    library, _ = espeak_library()
    library.espeak_SetVoiceByName(_LANGUAGES[0].encode())
    library.espeak_TextToPhonemes.restype = c.c_char_p
    pointer = c.c_char_p(text.encode())
    spoken: bytes = library.espeak_TextToPhonemes(c.byref(pointer), 1, 0) or b""
    return "".join(character for character in spoken.decode() if character not in "',_: ")


@cache
def _espeak_people() -> list[str]:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    people = sorted(file.name for file in folder.iterdir() if file.is_file())
    return [name for name in people if " " not in name and not name.lower().startswith(_NO_PEOPLE)]


@cache
def _flite() -> FliteEngine:
    engine = FliteEngine()
    engine.load()
    return engine


def _say_flite(voice: str, text: str) -> tuple[bytes, int]:
    chunks: list[bytes] = []
    _flite().synthesize(text, voice, threading.Event(), chunks.append)
    return b"".join(chunks), _flite().sample_rate


def _say_espeak(voice: str, text: str, rate: int, pitch: int, pitch_range: int) -> tuple[bytes, int]:
    library, sample_rate = espeak_library()
    chunks: list[bytes] = []

    def collect(chunk: Any, count: int, _events: Any) -> int:
        if chunk and count > 0:
            chunks.append(c.string_at(chunk, 2 * count))
        return 0

    callback = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.c_void_p)(collect)
    library.espeak_SetVoiceByName(voice.encode())
    for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_SetSynthCallback(callback)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
    return b"".join(chunks), sample_rate


def _trimmed(wave: Wave) -> Wave:
    """Without what is 40 dB below the loudest at either end."""
    if wave.size == 0:
        return wave
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() / 100)
    return wave[loud[0] : loud[-1] + 1] if loud.size else wave[:0]
