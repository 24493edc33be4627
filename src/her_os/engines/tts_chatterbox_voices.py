"""Voices to be imitated: WAV files of a folder, by name. Looked at without a model: mistakes are told early."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np

from her_os.contracts.errors import ConfigError

OWN_VOICE = "default"
"""The voice that comes with the weights (`conds.pt`)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_LONGEST_S = 60.0
_LOWEST_RATE = 16_000
_SILENT = 100
"""Loudest sample of what is no voice, of 32,768."""


def find_voices(folder: Path | None) -> dict[str, Path]:
    """WAV files by voice name, in order. Raises ConfigError for a folder or a name that cannot be."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise _complaint(f"{folder} is no folder; put one WAV file into it for each voice")
    found = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() == ".wav"}
    for name, file in found.items():
        if name == OWN_VOICE or not _NAME.fullmatch(name):
            raise _complaint(f"{file} cannot be a voice's name; use letters, digits, - and _, and not {OWN_VOICE!r}")
    if not found:
        raise _complaint(f"{folder} has no WAV files; put one into it for each voice")
    return found


def check_prompt(file: Path, shortest_s: float) -> None:
    """Raise ConfigError unless `file` is a WAV of 16-bit samples with between `shortest_s` and 60 s of sound."""
    try:
        with wave.open(str(file), "rb") as sound:
            rate, width, channels, frames = (
                sound.getframerate(), sound.getsampwidth(), sound.getnchannels(), sound.getnframes(),
            )  # fmt: skip
            data = sound.readframes(frames) if width == 2 else b""
    except (wave.Error, EOFError, OSError) as error:
        raise _complaint(f"{file} is no WAV file that can be read ({error or 'it is cut off'})") from error
    if width != 2:
        raise _complaint(f"{file} has samples of {8 * width} bits; expected 16")
    if rate < _LOWEST_RATE:
        raise _complaint(f"{file} has {rate} samples a second; expected at least {_LOWEST_RATE}")
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
    length_s = len(samples) / channels / rate
    if length_s < frames / rate - 0.1:
        raise _complaint(f"{file} is cut off: it says {frames / rate:.1f} s and has {length_s:.1f} s")
    if not shortest_s <= length_s <= _LONGEST_S:
        raise _complaint(f"{file} has {length_s:.1f} s; expected {shortest_s:g} to {_LONGEST_S:g} s of one voice")
    if int(np.abs(samples.astype(np.int32)).max()) < _SILENT:
        raise _complaint(f"{file} is silent; expected a voice")


def _complaint(message: str) -> ConfigError:
    return ConfigError(message, field="tts.voices")
