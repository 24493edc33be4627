"""Streaming resampling between any two rates, by a polyphase windowed-sinc filter.

The filter's half length is the delay: 2 ms with the default, at either side of 8 <-> 16 kHz. State is kept
between calls, so a stream may be cut into frames of any length without a seam.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from her_os.audio.pcm import samples, to_pcm

_KAISER_BETA = 5.65
"""About 60 dB of stop band."""

_BLOCK = 4_096
"""Input samples handled at once, so that a long chunk needs no long working memory."""

_FEW_PHASES = 8
"""Up to this many phases each is one matrix product; beyond, the windows are gathered."""


class StreamResampler:
    """Resamples one stream of int16 PCM from `rate_in` to `rate_out`.

    `zero_crossings` on each side of the sinc set quality and delay: the delay is `zero_crossings` samples of
    the lower rate. With `align` the delay is cut off at the start and made up by `flush`, so that output
    sample n belongs to input time n / rate_out: for synthesised speech. Without, every call returns audio for
    the whole of its input: `len(in) * rate_out / rate_in` samples, for frames on a line.
    Raises ValueError for a rate below 1.
    """

    def __init__(self, rate_in: int, rate_out: int, *, zero_crossings: int = 16, align: bool = False) -> None:
        if rate_in < 1 or rate_out < 1:
            raise ValueError(f"cannot resample from {rate_in} to {rate_out} Hz")
        common = math.gcd(rate_in, rate_out)
        self._up, self._down = rate_out // common, rate_in // common
        self._same = self._up == self._down
        self._bank = _filter_bank(self._up, self._down, zero_crossings)
        self._taps = self._bank.shape[1]
        self._delay_out = zero_crossings * max(self._up, self._down) // self._down
        self._align = align
        self.reset()

    @property
    def delay_samples(self) -> int:
        """By how many output samples the output lags the input (0 with `align`)."""
        return 0 if self._align or self._same else self._delay_out

    def reset(self) -> None:
        """Forget the past: the next call begins a new stream."""
        self._history = np.zeros(self._taps - 1, dtype=np.float32)
        self._position = 0
        self._skip = self._delay_out if self._align else 0

    def process(self, pcm: bytes) -> bytes:
        """Resample the stream's next samples. Raises ValueError for an odd number of bytes."""
        if self._same:
            return pcm
        wave = samples(pcm)
        out = b"".join(self._block(wave[at : at + _BLOCK]) for at in range(0, wave.size, _BLOCK))
        if not self._skip:
            return out
        cut = min(self._skip, len(out) // 2)
        self._skip -= cut
        return out[2 * cut :]

    def flush(self) -> bytes:
        """The end of the stream that the filter still holds; the resampler is as new afterwards."""
        if self._same:
            return b""
        missing = math.ceil(self._delay_out * self._down / self._up)
        tail = self.process(bytes(2 * missing))
        self.reset()
        return tail[: 2 * self._delay_out]

    def _block(self, wave: NDArray[np.int16]) -> bytes:
        extended = np.concatenate((self._history, wave.astype(np.float32)))
        self._history = extended[extended.size - (self._taps - 1) :]
        # Output k lies at input position (position + k * down) / up, counted from this block's first sample.
        count = max(0, -(-(wave.size * self._up - self._position) // self._down))
        windows = sliding_window_view(extended, self._taps)
        if self._up <= _FEW_PHASES:
            out = self._by_phase(windows, count)
        else:
            ticks = self._position + self._down * np.arange(count)
            bank = self._bank[ticks % self._up]
            out = np.einsum("ij,ij->i", windows[ticks // self._up], bank)
        self._position += count * self._down - wave.size * self._up
        return to_pcm(out)

    def _by_phase(self, windows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        out = np.empty(count, dtype=np.float32)
        for first in range(min(self._up, count)):
            base, phase = divmod(self._position + first * self._down, self._up)
            size = len(range(first, count, self._up))
            out[first :: self._up] = windows[base :: self._down][:size] @ self._bank[phase]
        return out


def _filter_bank(up: int, down: int, zero_crossings: int) -> NDArray[np.float32]:
    """`up` filters, one a phase, each over the last `taps` input samples, oldest first; unit gain at 0 Hz."""
    slower = max(up, down)
    half = zero_crossings * slower
    taps = 2 * half // up + 1
    # Filter p, tap t (t = 0 the newest sample) looks at time t * up + p of the prototype, centred on `half`.
    time = np.arange(taps)[None, :] * up + np.arange(up)[:, None] - half
    inside = np.abs(time) <= half
    window = np.where(inside, np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (time / half) ** 2, 0, 1))), 0.0)
    bank = np.sinc(time / slower) * window
    bank /= bank.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(bank[:, ::-1], dtype=np.float32)
