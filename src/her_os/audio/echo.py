"""Our own voice taken out of what the caller's line brings back: WebRTC's AEC3, and a guard until it has converged.

AEC3 (from the livekit wheel) finds delays up to half a second and takes out 30 dB and more, but only after 0.5 to
1.5 s of speech. Until then what is left of an echo looks like a caller. The guard asks whether the last 80 ms are,
up to their level, a piece of what was sent in the last 0.7 s (normalised cross-correlation, at 8 kHz). Measured at
16 kHz: an echo gave 0.99, other voices at most 0.87, the same voice with other words at most 0.93.

The guard is also what tells whether there is an echo at all. Where there is none (a handset), AEC3 has nothing to
learn from and holds a caller who speaks over us for one: 17 of 42 interruptions of the development set got lost. So
its output is used only from the first piece of echo found until `_REMEMBERED_MS` after the last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
from livekit.rtc import AudioFrame
from livekit.rtc.apm import AudioProcessingModule
from numpy.typing import NDArray

from her_os.audio.pcm import level_dbfs, rms, samples
from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_MS
from her_os.contracts.call_line import FrameTap
from her_os.contracts.echo import EchoCanceller

_HALF = CONVERSATION_RATE // 100
"""Samples of 10 ms, the unit of AEC3."""
_COMES_BACK_MS = 700
"""An echo is looked for this long after our last sound: 500 ms, and a jitter buffer."""
_REMEMBERED_MS = 5_000
_WINDOW_FRAMES = 4
_FLOOR_DBFS = -52.0
"""Below this nobody takes a sound for speech."""
_SAME, _STILL_THE_SAME = 0.94, 0.8
"""The second counts for `_RUN_FRAMES` after a match: an echo does not stop in mid-word."""
_RUN_FRAMES = 5
_FFT = 6_400
"""At least the reference: only lags that do not wrap are looked at."""
_SILENCE = bytes(FRAME_BYTES)
_KEPT_FRAMES = 150
"""3 s: more than any jitter buffer holds back."""
_STRANGERS = 50
"""Frames in a row that never arrived as they are now: concealment makes a few, another packet length all."""


class AcousticEchoCanceller:
    """Implements EchoCanceller."""

    def __init__(self) -> None:
        self._module = AudioProcessingModule(echo_cancellation=True)
        self._lock = Lock()
        kept = _COMES_BACK_MS // FRAME_MS + _WINDOW_FRAMES
        self._sent = deque([_narrow(_SILENCE)] * kept, maxlen=kept)
        self._came: deque[NDArray[np.float32]] = deque(maxlen=_WINDOW_FRAMES)
        self._quiet_frames = _COMES_BACK_MS // FRAME_MS
        self._echo_frames = self._run_frames = 0

    def played(self, pcm: bytes) -> None:
        with self._lock:
            self._quiet_frames = self._quiet_frames + 1 if pcm == _SILENCE or rms(pcm) < 1 else 0
            self._sent.append(_narrow(pcm))
            if not self._is_quiet:
                for half in _halves(pcm):
                    self._module.process_reverse_stream(half)

    @property
    def _is_quiet(self) -> bool:
        """Whether nothing of ours can come back any more: AEC3 rests, both of its streams."""
        return self._quiet_frames >= _COMES_BACK_MS // FRAME_MS

    def clean(self, pcm: bytes) -> bytes:
        with self._lock:
            self._came.append(_narrow(pcm))
            if self._is_quiet:
                return pcm
            halves = _halves(pcm)
            for half in halves:
                self._module.process_stream(half)
            if level_dbfs(pcm) > _FLOOR_DBFS and self._is_ours():
                self._echo_frames, self._run_frames = _REMEMBERED_MS // FRAME_MS, _RUN_FRAMES
                return _SILENCE
            self._run_frames = max(0, self._run_frames - 1)
            if not self._echo_frames:
                return pcm
            self._echo_frames -= 1
            return b"".join(bytes(half.data) for half in halves)

    def _is_ours(self) -> bool:
        near, far = np.concatenate(self._came), np.concatenate(self._sent)
        lags = far.size - near.size + 1
        product = np.fft.rfft(far, _FFT) * np.conj(np.fft.rfft(near, _FFT))
        match = np.abs(np.fft.irfft(product, _FFT)[:lags])
        energy = np.concatenate((np.zeros(1), np.cumsum(far.astype(np.float64) ** 2)))
        energies = np.maximum(energy[near.size :] - energy[:lags], near.size)
        own = max(float(np.dot(near, near)), 1.0)
        limit = _STILL_THE_SAME if self._run_frames else _SAME
        return bool((match / np.sqrt(energies * own)).max() > limit)


class LineEcho:
    """Implements LineEcho of the contracts: each frame is cleaned once, for both ways it takes.

    A frame that leaves the jitter buffer is known by its very samples. Where they are never the same (a phone whose
    packets are no multiple of 20 ms is cut up anew there), the ordered way gets a canceller of its own.
    """

    def __init__(self, make: Callable[[], EchoCanceller] = AcousticEchoCanceller) -> None:
        self._make, self._first = make, make()
        self._second: EchoCanceller | None = None
        self._cleaned: dict[bytes, bytes] = {}
        self._strangers = 0

    def played(self, pcm: bytes) -> None:
        self._first.played(pcm)
        if self._second is not None:
            self._second.played(pcm)

    def clean_arrival(self, pcm: bytes) -> bytes:
        clean = self._first.clean(pcm)
        self._cleaned.pop(pcm, None)
        self._cleaned[pcm] = clean
        if len(self._cleaned) > _KEPT_FRAMES:
            del self._cleaned[next(iter(self._cleaned))]
        return clean

    def clean_in_order(self, pcm: bytes) -> bytes:
        if self._second is not None:
            return self._second.clean(pcm)
        clean = self._cleaned.get(pcm)
        if clean is not None:
            self._strangers = 0
            return clean
        self._strangers += 1
        if self._strangers > _STRANGERS:
            self._second = self._make()
        return pcm


class ReferenceTap:
    """A FrameTap that tells the canceller what was sent, and passes both sides on to a recorder."""

    def __init__(self, echo: LineEcho, then: FrameTap | None = None) -> None:
        self._echo, self._then = echo, then

    def on_tick(self, caller_pcm: bytes, assistant_pcm: bytes) -> None:
        self._echo.played(assistant_pcm)
        if self._then is not None:
            self._then.on_tick(caller_pcm, assistant_pcm)


def _narrow(pcm: bytes) -> NDArray[np.float32]:
    """At 8 kHz: half the work."""
    return samples(pcm).astype(np.float32).reshape(-1, 2).mean(axis=1)


def _halves(pcm: bytes) -> list[AudioFrame]:
    size = 2 * _HALF
    return [AudioFrame(bytearray(pcm[at : at + size]), CONVERSATION_RATE, 1, _HALF) for at in range(0, len(pcm), size)]
