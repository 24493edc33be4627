"""Real speech and recordings at hand: WAV files and Asterisk's raw .g722, as 16 kHz waves."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.audio.g722 import G722Decoder
from her_os.audio.pcm import samples
from her_os.audio.sound_file import probe, read_channel
from her_os.contracts.errors import ConfigError, RecognitionError

Wave = NDArray[np.float32]
USUAL = (Path("/usr/share/asterisk/sounds"), Path("/usr/share/asterisk/moh"))
"""Where Debian's asterisk-core-sounds-*-wav and asterisk-moh-* lie."""
_SHORTEST = 4_000


def sound_files(folders: Sequence[Path]) -> list[Path]:
    """Every .wav and .g722 below; each once, whatever links lead there. Raises ConfigError for no folder."""
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError("is no folder of sound files", file=str(folder))
        for pattern in ("*.wav", "*.g722"):
            found.update(dict.fromkeys(file.resolve() for file in sorted(folder.rglob(pattern))))
    return list(found)


def read_sound(file: Path) -> Wave:
    """One channel. Raises RecognitionError for a file that is none; empty where it is too short to hold a word."""
    if file.suffix == ".g722":
        pcm = G722Decoder().decode(file.read_bytes())
    else:
        try:
            pcm = b"".join(read_channel(probe(file), None))
        except ConfigError as error:
            raise RecognitionError(f"{file.name}: {error.message}") from error
    wave = samples(pcm[: len(pcm) // 2 * 2]).astype(np.float32)
    return wave if wave.size >= _SHORTEST else wave[:0]


def is_held_out(file: Path) -> bool:
    """Half of all files, always the same ones."""
    return zlib.crc32(f"{file.parent.name}/{file.stem}".encode()) % 2 == 1
