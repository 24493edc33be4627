"""Two detectors of speech: a cheap gate for the media thread, and a strict one to confirm.

The gate costs microseconds and also fires on clicks and tones; silero costs about 80 us for 32 ms and does not.
"""

from __future__ import annotations

import math
from collections import deque
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
import webrtcvad

from her_os.audio.pcm import level_dbfs, samples
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import ConfigError, EngineError

_STEP_MS = 10
_STEP_BYTES = CONVERSATION_RATE * _STEP_MS // 1000 * SAMPLE_WIDTH


class FastVoiceGate:
    """webrtcvad in its strictest mode, above a floor. One stream of 16 kHz PCM, in pieces of whole 10 ms.

    What is quieter than `floor_dbfs`, or less than `above_noise_db` over the line's own noise, is never voice.
    """

    def __init__(self, *, mode: int = 3, floor_dbfs: float = -50.0, above_noise_db: float = 6.0) -> None:
        self._vad = webrtcvad.Vad(mode)
        self._floor_dbfs, self._above_noise_db = floor_dbfs, above_noise_db
        self._noise_dbfs = floor_dbfs - above_noise_db

    def voiced_ms(self, pcm: bytes) -> int:
        """How many ms of this piece are voice, in steps of 10. Raises ValueError for a part of a step."""
        if len(pcm) % _STEP_BYTES:
            raise ValueError(f"{len(pcm)} bytes are not whole {_STEP_MS} ms steps of 16 kHz")
        return sum(_STEP_MS for at in range(0, len(pcm), _STEP_BYTES) if self._step(pcm[at : at + _STEP_BYTES]))

    def is_voice(self, pcm: bytes) -> bool:
        """Whether at least half of this piece is voice."""
        return 2 * self.voiced_ms(pcm) * _STEP_BYTES >= len(pcm) * _STEP_MS > 0

    def _step(self, pcm: bytes) -> bool:
        level = level_dbfs(pcm)
        # The noise level falls at once and rises by 1.5 dB a second, so that speech does not become noise.
        self._noise_dbfs = min(max(level, -80.0), self._noise_dbfs + 0.015)
        spoken = self._vad.is_speech(pcm, CONVERSATION_RATE)
        return spoken and level >= max(self._floor_dbfs, self._noise_dbfs + self._above_noise_db)


@cache
def _load(model: Path | None) -> onnxruntime.InferenceSession:
    """One session for all streams: it keeps no state, and may run on several threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        data = (files("her_os.data") / "silero_vad.onnx").read_bytes() if model is None else model.read_bytes()
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"the voice activity model cannot be loaded: {error}", file=str(model or "")) from error


class SileroVoiceActivity:
    """The silero model (16 kHz) by onnxruntime on one thread: a probability of speech for each 512 samples.

    One stream; `reset` between calls. Not thread-safe. Raises ConfigError for a model file that cannot be read.
    A window quieter than `floor_dbfs` is no speech: the model itself holds on for some 80 ms after the last word,
    which every answer would have to wait for. So is a window of a sound that keeps its level for `_STEADY_WINDOWS`:
    a hum; a vowel does not.
    """

    WINDOW = 512
    """Samples."""

    window_ms = WINDOW * 1000 // CONVERSATION_RATE

    _CONTEXT = 64
    _STEADY_WINDOWS, _STEADY_DB = 4, 0.7

    def __init__(self, model: Path | None = None, *, floor_dbfs: float = -50.0) -> None:
        self._session, self._floor_dbfs = _load(model), floor_dbfs
        self._rate = np.array(CONVERSATION_RATE, dtype=np.int64)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros(self._CONTEXT, dtype=np.float32)
        self._pending = b""
        self._levels: deque[float] = deque(maxlen=self._STEADY_WINDOWS)
        self.probability = 0.0
        """Of the last whole window."""

    def push(self, pcm: bytes) -> list[float]:
        """Probabilities of the windows that this PCM (any length) completes, oldest first. Raises EngineError."""
        self._pending += pcm
        size = self.WINDOW * SAMPLE_WIDTH
        whole = len(self._pending) - len(self._pending) % size
        windows, self._pending = self._pending[:whole], self._pending[whole:]
        return [self._window(windows[at : at + size]) for at in range(0, whole, size)]

    def _window(self, pcm: bytes) -> float:
        wave = np.concatenate((self._context, samples(pcm).astype(np.float32) / 32_768))
        self._context = wave[-self._CONTEXT :]
        inputs = {"input": wave[None], "state": self._state, "sr": self._rate}
        try:
            output, self._state = self._session.run(None, inputs)
        except Exception as error:
            raise EngineError(f"the voice activity model failed: {error}") from error
        level = level_dbfs(pcm)
        self._levels.append(level)
        steady = len(self._levels) == self._STEADY_WINDOWS and max(self._levels) - min(self._levels) < self._STEADY_DB
        self.probability = float(output[0, 0]) if level >= self._floor_dbfs and not steady else 0.0
        if not math.isfinite(self.probability):
            self.reset()
        return self.probability
