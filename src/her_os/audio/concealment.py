"""Packet loss concealment by waveform repetition, after ITU-T G.711 Appendix I.

The last pitch period heard is repeated, at full level for 10 ms and then fading to silence at 60 ms; where real
audio comes back the two are cross-faded. Unlike the appendix nothing is delayed: audio that is there passes at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from her_os.audio.pcm import samples, to_pcm
from her_os.contracts.audio import CONVERSATION_RATE

_MS = CONVERSATION_RATE // 1000
_SHORTEST_PITCH = CONVERSATION_RATE // 400
_LONGEST_PITCH = CONVERSATION_RATE // 66
_COMPARED = 20 * _MS
_HISTORY = _LONGEST_PITCH + _COMPARED
_FULL_LEVEL = 10 * _MS
_GONE = 60 * _MS
_CROSS_FADE = 4 * _MS

_Wave = NDArray[np.float32]


class Concealer:
    """One stream of 16 kHz PCM with holes. Feed every piece that plays, in order, to `heard` or `fill`."""

    def __init__(self) -> None:
        self._history: _Wave = np.zeros(_HISTORY, dtype=np.float32)
        self._period: _Wave = self._history[-_LONGEST_PITCH:]
        self._filled = 0

    def heard(self, pcm: bytes) -> bytes:
        """Real audio; returned as it is, or with its first 4 ms blended in after a hole."""
        if not pcm:
            return pcm
        wave = samples(pcm).astype(np.float32)
        if self._filled:
            size = min(_CROSS_FADE, wave.size)
            rising = np.linspace(0, 1, size, dtype=np.float32)
            wave[:size] = wave[:size] * rising + self._repetition(size) * (1 - rising)
            self._filled = 0
            pcm = to_pcm(wave)
        self._remember(wave)
        return pcm

    def fill(self, count: int) -> bytes:
        """`count` samples (16 kHz) in place of audio that is missing."""
        if not self._filled:
            self._period = _last_period(self._history)
        wave = self._repetition(count)
        self._filled += count
        self._remember(wave)
        return to_pcm(wave)

    def _repetition(self, count: int) -> _Wave:
        at = self._filled + np.arange(count)
        level = np.clip((_GONE - at) / (_GONE - _FULL_LEVEL), 0, 1).astype(np.float32)
        return self._period[at % self._period.size] * level

    def _remember(self, wave: _Wave) -> None:
        self._history = np.concatenate((self._history, wave))[-_HISTORY:]


def _last_period(history: _Wave) -> _Wave:
    """The last pitch period, its end blended so that it follows on itself without a step."""
    recent = history[-_COMPARED:]
    dots = np.correlate(history, recent, "valid")
    energies = np.convolve(history * history, np.ones(_COMPARED, dtype=np.float32), "valid")
    # Index i of both is a lag of (size - 1 - i) samples.
    lags = slice(dots.size - 1 - _LONGEST_PITCH, dots.size - _SHORTEST_PITCH)
    likeness = dots[lags] / np.sqrt(np.maximum(energies[lags], 1.0))
    lag = _LONGEST_PITCH - int(np.argmax(likeness))
    period = history[-lag:].copy()
    blend = min(lag // 4, history.size - lag)
    rising = np.linspace(0, 1, blend, dtype=np.float32)
    period[-blend:] = period[-blend:] * (1 - rising) + history[-lag - blend : -lag] * rising
    return period
