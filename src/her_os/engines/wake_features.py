"""What openwakeword hears: 16 kHz PCM -> mel spectrogram -> one embedding of 96 numbers for each 80 ms.

The two models are Google's speech_embedding as openwakeword converted it, run by plain onnxruntime. Their files come
with the openwakeword 0.5.1 wheel, which is never imported: it asks for scipy, scikit-learn and tflite. The chain and
its constants are those of `openwakeword.utils.AudioFeatures` (0.5.1), so that its own model files work unchanged.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from her_os.audio.pcm import samples
from her_os.contracts.errors import ConfigError, EngineError

STEP_SAMPLES = 1_280
STEP_MS = 80
STEP_BYTES = 2 * STEP_SAMPLES
SIZE = 96
"""Numbers in an embedding."""

_OVERLAP = 480
"""Samples of the past that the mel model needs before a step, for 8 whole frames of 10 ms."""
EMBEDDING_FILE = "embedding_model.onnx"
WINDOW_FRAMES = 76
"""Mel frames under one embedding: 775 ms."""
BANDS = 32
FRAMES = 8
"""Mel frames in a step."""


class Features(NamedTuple):
    """Of n steps, oldest first."""

    embeddings: NDArray[np.float32]
    """(n, 96)."""
    mels: NDArray[np.float32]
    """(n, 8, 32): decibels / 10 + 2."""


def shipped_models() -> Path:
    """The folder of model files in the openwakeword wheel. Raises ConfigError where it is not installed."""
    spec = find_spec("openwakeword")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the wake word needs the model files of openwakeword 0.5.1, which are not installed; ./start.sh installs "
            "them, or: pip install --no-deps openwakeword==0.5.1"
        )
    return Path(spec.origin).parent / "resources" / "models"


def open_model(file: Path, content: bytes | None = None) -> Any:
    """A model on one thread: it shares the machine with calls. `content` in place of the file's. Raises ConfigError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content or str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"is no model that onnxruntime can read: {error}", file=str(file)) from error


class WakeFeatures:
    """One stream. `push` whole steps of 80 ms; raises EngineError. Not thread-safe."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or shipped_models()
        self._mel = open_model(folder / "melspectrogram.onnx")
        self._embedding = open_model(folder / EMBEDDING_FILE)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._past = np.zeros(_OVERLAP, dtype=np.float32)
        self._frames = np.ones((WINDOW_FRAMES, BANDS), dtype=np.float32)

    def push(self, pcm: bytes) -> Features:
        """Raises ValueError for a part of a step."""
        if len(pcm) % STEP_BYTES:
            raise ValueError(f"{len(pcm)} bytes are not whole steps of {STEP_BYTES}")
        steps = samples(pcm).astype(np.float32).reshape(-1, STEP_SAMPLES)
        if not len(steps):
            return Features(np.empty((0, SIZE), np.float32), np.empty((0, FRAMES, BANDS), np.float32))
        try:
            mels = np.stack([self._spectrum(step) for step in steps])
            frames = np.concatenate((self._frames, mels.reshape(-1, BANDS)))
            self._frames = frames[-WINDOW_FRAMES:]
            return Features(self._embed(frames[FRAMES:]), mels)
        except Exception as error:
            raise EngineError(f"the wake word's feature model failed: {error}") from error

    def _spectrum(self, step: NDArray[np.float32]) -> NDArray[np.float32]:
        """A step of its own: the model's floor is 80 dB below the loudest of what it is given."""
        heard = np.concatenate((self._past, step))
        self._past = step[-_OVERLAP:]
        decibels: NDArray[np.float32] = self._mel.run(None, {"input": heard[None]})[0].reshape(FRAMES, BANDS)
        return decibels / np.float32(10) + np.float32(2)

    def _embed(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """(WINDOW_FRAMES + FRAMES * (n - 1), BANDS) -> (n, SIZE)."""
        begins = range(0, len(frames) - WINDOW_FRAMES + 1, FRAMES)
        windows = (frames[None, begin : begin + WINDOW_FRAMES, :, None] for begin in begins)
        return np.stack([self._embedding.run(None, {"input_1": window})[0].reshape(SIZE) for window in windows])
