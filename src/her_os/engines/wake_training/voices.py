"""The voices that can be had offline: flite's, pico's where it is installed, and espeak-ng's many speakers.

Each speaks at ever new speed and pitch, and through a longer or shorter vocal tract; espeak-ng's also in seven accents.
"""

from __future__ import annotations

import ctypes as c
import random
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any
from wave import open as wave_file
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples
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
_SPEEDS = (0.8, 1.2)
"""Played so much faster: a shorter vocal tract. The tempo is set apart."""
_PICO_LANGUAGES = ("en-US", "en-GB")
_ESPEAK_PARTS = ("learn", "choose", "learn", "try", "learn", "learn", "learn", "learn", "try", "learn")
_FLITE_PITCH_HZ = {"rms": 95.0, "slt": 165.0, "kal16": 100.0, "awb": 125.0}


@dataclass(frozen=True)
class Speaker:
    """One voice. Its part: "learn" from it, "choose" thresholds by it, or only "try" on it."""

    engine: str
    name: str
    part: str


def speakers() -> list[Speaker]:
    """All of them; about a fifth is only tried on, the assistant's own voice among it, and a tenth only chooses."""
    names = FLITE_VOICES if flite_is_installed() else ()
    flite = [Speaker("flite", name, "try" if name == FLITE_VOICES[0] else "learn") for name in names]
    pico = [Speaker("pico", name, "learn") for name in _PICO_LANGUAGES] if which("pico2wave") else []
    espeak = [
        Speaker("espeak", person, _ESPEAK_PARTS[index % len(_ESPEAK_PARTS)])
        for index, person in enumerate(_espeak_people())
    ]
    return flite + pico + espeak


def say(speaker: Speaker, text: str, rng: random.Random) -> Wave:
    """`text` in this voice, a little different each time, without the silence around it."""
    speed = rng.uniform(*_SPEEDS)
    if speaker.engine == "flite":
        pitch_hz = _FLITE_PITCH_HZ[speaker.name] * rng.uniform(0.8, 1.25)
        wave, rate = _say_flite(speaker.name, text, stretch=speed * rng.uniform(0.8, 1.25), pitch_hz=pitch_hz)
    elif speaker.engine == "pico":
        wave, rate = _say_pico(
            speaker.name, text, pitch=rng.randint(75, 140), speed=round(rng.uniform(80, 125) / speed)
        )
    else:
        voice = f"{rng.choice(_LANGUAGES)}+{speaker.name}"
        wave, rate = _say_espeak(voice, text, rng.randint(115, 215), rng.randint(20, 80), rng.randint(20, 80))
    return _trimmed(_resampled(samples(wave).astype(np.float32), CONVERSATION_RATE / (rate * speed)))


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


def _say_flite(voice: str, text: str, *, stretch: float, pitch_hz: float) -> tuple[bytes, int]:
    chunks: list[bytes] = []
    _flite().set_manner(voice, stretch=stretch, pitch_hz=pitch_hz)
    _flite().synthesize(text, voice, threading.Event(), chunks.append)
    return b"".join(chunks), _flite().sample_rate


def _say_pico(language: str, text: str, *, pitch: int, speed: int) -> tuple[bytes, int]:
    """Pitch and speed in percent."""
    told = f'<pitch level="{pitch}"><speed level="{speed}">{escape(text)}</speed></pitch>'
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = [which("pico2wave") or "pico2wave", "-l", language, "-w", file.name, told]
        subprocess.run(command, check=True, timeout=20)  # noqa: S603 - our own words
        with wave_file(file.name) as spoken:
            return spoken.readframes(spoken.getnframes()), spoken.getframerate()


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


def _resampled(wave: Wave, ratio: float) -> Wave:
    """The whole wave at another rate, by its spectrum."""
    size = round(wave.size * ratio)
    if not size:
        return wave[:0]
    spectrum = np.zeros(size // 2 + 1, np.complex128)
    known = np.fft.rfft(wave)[: spectrum.size]
    spectrum[: known.size] = known
    return (np.fft.irfft(spectrum, size) * ratio).astype(np.float32)


def _trimmed(wave: Wave) -> Wave:
    """Without what is 40 dB below the loudest at either end."""
    if wave.size == 0:
        return wave
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() / 100)
    return wave[loud[0] : loud[-1] + 1] if loud.size else wave[:0]
