"""The wake word on openwakeword's features: its own model files, or a head of ours (`her-os wake train`).

Every 80 ms the features grow by a step. Only while the cheap gate has lately heard a voice a head is asked, and a hit
of the first stage counts only if the second agrees: several windows in a row, a second network that sees the sound in
another way (heads of ours), and silero, which knows speech from noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.audio.voice_activity import SileroVoiceActivity
from her_os.contracts.errors import ConfigError, EngineError
from her_os.contracts.wake_word import WakeWord
from her_os.engines.wake_features import SIZE, STEP_BYTES, WakeFeatures, open_model
from her_os.engines.wake_head import WINDOW, embedding_inputs, load_head, mel_inputs

IN_A_ROW = 2
"""Windows over the threshold that make a hit, of the last `OF`."""
OF = 3
SPEECH = 0.5
"""Silero's probability that some window of the last second must have reached."""
_SPEECH_WINDOWS = 32
"""Of 32 ms: what silero said within the last second."""
_GATE_STEPS = 12
"""So many steps after the last voice a head is still asked: the phrase may end in a breath."""
REST_STEPS = 12
"""After a wake the same phrase is not heard again for so long."""
_ONNX_THRESHOLD = 0.5
_TYPICAL_LAG_MS = 80
"""How far behind the end of the phrase a head of ours usually answers."""
Ask = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, float]]
"""The last embeddings and mels -> the scores of both stages, each over its threshold where it is at least 1."""


class OpenWakeWordEngine:
    """Implements WakeWordEngine. `model` is a .npz of ours or an openwakeword .onnx; threshold 0: the model's own."""

    name = "openwakeword"

    def __init__(self, model: Path, *, threshold: float = 0.0, folder: Path | None = None) -> None:
        self._model, self._threshold, self._folder = model, threshold, folder
        self.phrase = model.stem.partition("_v0")[0].replace("_", " ")
        self._features: WakeFeatures | None = None
        self._ask: Ask | None = None
        self._window: int = WINDOW
        self._silero = SileroVoiceActivity()

    def load(self) -> None:
        """See WakeWordEngine."""
        self._features = WakeFeatures(self._folder)
        self._ask = self._open_onnx() if self._model.suffix == ".onnx" else self._open_head()
        self.reset()
        self.feed(bytes(STEP_BYTES * 2), voiced=True)
        self.reset()

    def reset(self) -> None:
        """See WakeWordEngine."""
        if self._features is not None:
            self._features.reset()
        self._silero.reset()
        self._pending = b""
        self._embeddings = np.zeros((self._window, SIZE), np.float32)
        self._mels: deque[NDArray[np.float32]] = deque(maxlen=WINDOW)
        self._hits: deque[bool] = deque(maxlen=OF)
        self._speech: deque[float] = deque(maxlen=_SPEECH_WINDOWS)
        self._steps = 0
        self._voiced_at = -_GATE_STEPS
        self._woken_at = -REST_STEPS

    def feed(self, pcm: bytes, *, voiced: bool) -> WakeWord | None:
        """See WakeWordEngine."""
        if voiced:
            self._voiced_at = self._steps
        self._speech.extend(self._silero.push(pcm))
        self._pending += pcm
        found = None
        while len(self._pending) >= STEP_BYTES:
            step, self._pending = self._pending[:STEP_BYTES], self._pending[STEP_BYTES:]
            found = self._step(step) or found
        return found

    def _step(self, pcm: bytes) -> WakeWord | None:
        if self._features is None or self._ask is None:
            raise EngineError("the wake word is not loaded")
        heard = self._features.push(pcm)
        self._steps += 1
        self._embeddings = np.concatenate((self._embeddings[1:], heard.embeddings))
        self._mels.append(heard.mels[0])
        if self._steps < self._window or self._steps - self._voiced_at > _GATE_STEPS:
            self._hits.clear()
            return None
        first, second = self._ask(self._embeddings, np.stack(self._mels))
        self._hits.append(first >= 1 and second >= 1)
        if sum(self._hits) < IN_A_ROW or max(self._speech, default=0.0) < SPEECH:
            return None
        if self._steps - self._woken_at < REST_STEPS:
            return None
        self._woken_at = self._steps
        self._hits.clear()
        return WakeWord(self.phrase, min(1.0, first / 2), _TYPICAL_LAG_MS + len(self._pending) // 32)

    def _open_head(self) -> Ask:
        head = load_head(self._model)
        self.phrase = head.phrase
        threshold = self._threshold or head.threshold

        def ask(embeddings: NDArray[np.float32], mels: NDArray[np.float32]) -> tuple[float, float]:
            first = float(head.first(embedding_inputs(embeddings[None]))[0]) / threshold
            if first < 1:
                return first, 0.0
            return first, float(head.second(mel_inputs(mels[None]))[0]) / head.second_threshold

        return ask

    def _open_onnx(self) -> Ask:
        session = open_model(self._model)
        entry: str = session.get_inputs()[0].name
        shape: list[int | str] = session.get_inputs()[0].shape
        steps = shape[1] if len(shape) == 3 and shape[2] == SIZE else None
        if not isinstance(steps, int):
            raise ConfigError(
                f"is no openwakeword model: its input is {shape}, expected [1, steps, {SIZE}]", file=str(self._model)
            )
        self._window = steps
        threshold = self._threshold or _ONNX_THRESHOLD

        def ask(embeddings: NDArray[np.float32], _mels: NDArray[np.float32]) -> tuple[float, float]:
            scores = session.run(None, {entry: embeddings[None]})[0]
            return float(np.max(scores)) / threshold, 1.0

        return ask
