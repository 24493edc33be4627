"""What a sound that begins while the assistant speaks will turn out to be: talk, a backchannel ("mm-hm"), or a noise.

A log-mel picture of the last 320 ms and one hidden layer, in numpy: 0.6 ms on a busy machine. The weights, made by
`scripts/train_first_sounds.py`, tell how a sound begins and not what is said: the recogniser's words overrule them.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import ConfigError
from her_os.contracts.voice_activity import FirstSound

Floats = NDArray[np.float32]

LOOK_MS = 320
_HOP, _SIZE, _BANDS, _POOL = 160, 400, 24, 2
_RANGE_DB = 45.0
"""What is so far below the loudest is silence."""
FRAMES = (LOOK_MS * CONVERSATION_RATE // 1000 - _SIZE) // _HOP + 1
_KEPT = FRAMES - FRAMES % _POOL
INPUTS = _KEPT // _POOL * _BANDS
FORMAT = 1
CLASSES = ("talk", "backchannel", "noise")


@cache
def _filters() -> Floats:
    """(257, bands): triangles of equal width in mel, from 100 Hz to 7 kHz."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (100, 7000))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(512, 1 / CONVERSATION_RATE)[:, None]
    rise = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def picture(wave: Floats) -> Floats:
    """The newest `LOOK_MS` of int16-scaled samples (silence before them where there are fewer) as (INPUTS,) of 0..1."""
    needed = LOOK_MS * CONVERSATION_RATE // 1000
    wave = np.concatenate((np.zeros(max(0, needed - len(wave)), np.float32), wave[-needed:]))
    frames = np.lib.stride_tricks.sliding_window_view(wave, _SIZE)[::_HOP][-_KEPT:]
    power = np.abs(np.fft.rfft(frames * np.hanning(_SIZE).astype(np.float32), 512)) ** 2
    level = 10 * np.log10(power.astype(np.float32) @ _filters() + 1e3)
    level = level.reshape(-1, _POOL, _BANDS).mean(axis=1)
    return np.clip(1 + (level - level.max()) / _RANGE_DB, 0, 1).astype(np.float32).reshape(-1)


@dataclass(frozen=True)
class FirstSounds:
    """FirstSoundJudge. Weights: (INPUTS, hidden), (hidden,), (hidden, 3), (3,)."""

    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats

    def look(self, pcm: bytes) -> FirstSound:
        """See FirstSoundJudge."""
        return FirstSound(*(float(p) for p in self.probabilities(picture(samples(pcm).astype(np.float32))[None])[0]))

    def probabilities(self, pictures: Floats) -> Floats:
        """(n, INPUTS) -> (n, 3), in the order of CLASSES."""
        logits = np.maximum(pictures @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

    def save(self, file: Path) -> None:
        """Write the weights, in 16 bits."""
        arrays: dict[str, Any] = {name: getattr(self, name).astype(np.float16) for name in self.__dataclass_fields__}
        np.savez_compressed(file, format=FORMAT, **arrays)


@cache
def load_first_sounds(file: Path | None = None) -> FirstSounds:
    """The shipped weights, or those of `file`. Raises ConfigError for a file that is missing or not ours."""
    path = file or Path(str(files("her_os.data") / "first_sounds.npz"))
    try:
        with np.load(path, allow_pickle=False) as found:
            if int(found["format"]) != FORMAT or found["hidden"].shape[0] != INPUTS:
                raise ConfigError("is of another format; train it again: scripts/train_first_sounds.py", file=str(path))
            return FirstSounds(*(found[name].astype(np.float32) for name in FirstSounds.__dataclass_fields__))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(
            "does not hold the weights that scripts/train_first_sounds.py writes", file=str(path)
        ) from error
