"""Features of a sound while it goes on: the same frames as of the whole, each as soon as its samples are there.

A frame of the library's mel spectrogram looks at `fft` samples around a multiple of `hop` (torch.stft, centred). So
the extractor is given the new samples with some frames from before, whose features are thrown away: they only carry
what the filters look back at. What no frame looks at any more is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAD_FRAMES = 4
"""Frames of context; more samples than half of `fft` and the one that pre-emphasis looks back at."""


class IncrementalFeatures:
    """Frames of one utterance. `extract` makes (1, bands, frames) of float samples, as it would of a whole sound."""

    def __init__(self, extract: Callable[[NDArray[np.float32]], Any], hop: int, fft: int) -> None:
        self._extract, self._hop, self._half = extract, hop, fft // 2
        self._samples = np.zeros(0, np.float32)
        self._first = 0
        self._frames = 0

    def push(self, pcm: bytes, *, last: bool = False) -> Any:
        """New frames, (1, bands, n), or None. With `last` the end of the sound is taken for silence."""
        new = (np.frombuffer(pcm, "<i2") / 32_768).astype(np.float32)
        self._samples = np.concatenate([self._samples, new])
        total = self._first + len(self._samples)
        known = total // self._hop + 1 if last else max(0, (total - self._half) // self._hop + 1)
        if known <= self._frames or not total:
            return None
        lead = max(0, self._frames - _LEAD_FRAMES)
        begin = lead * self._hop - self._first
        end = len(self._samples) if last else (known - 1) * self._hop + self._half - self._first
        features = self._extract(self._samples[begin:end])[:, :, self._frames - lead : known - lead]
        self._frames = known
        forget = max(0, known - _LEAD_FRAMES) * self._hop - self._first
        if forget > 0:
            self._samples = self._samples[forget:]
            self._first += forget
        return features
