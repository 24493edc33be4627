"""The wake word on openwakeword's features: its own model files, or a head of ours (`her-os wake train`).

Every 80 ms the features grow by a step. Only while the cheap gate has lately heard a voice a head is asked; several
windows decide (`wake_decision`), with a second network that sees the sound in another way (heads of ours), and silero,
which knows speech from noise, must have heard some.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.audio.voice_activity import SileroVoiceActivity
from her_os.contracts.errors import ConfigError, EngineError
from her_os.contracts.wake_word import WakeWord
from her_os.engines.wake_decision import HeadDecision, OnnxDecision, WakeDecision
from her_os.engines.wake_features import SIZE, STEP_BYTES, WakeFeatures, open_model
from her_os.engines.wake_head import WINDOW, load_head

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


class OpenWakeWordEngine:
    """Implements WakeWordEngine. `model` is a .npz of ours or an openwakeword .onnx; threshold 0: the model's own."""

    name = "openwakeword"

    def __init__(self, model: Path, *, threshold: float = 0.0, folder: Path | None = None) -> None:
        self._model, self._threshold, self._folder = model, threshold, folder
        self.phrase = model.stem.partition("_v0")[0].replace("_", " ")
        self._features: WakeFeatures | None = None
        self._decision: WakeDecision | None = None
        self._window: int = WINDOW
        self._silero = SileroVoiceActivity()

    def load(self) -> None:
        """See WakeWordEngine."""
        self._features = WakeFeatures(self._folder)
        self._decision = self._open_onnx() if self._model.suffix == ".onnx" else self._open_head()
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
        if self._decision is not None:
            self._decision.reset()
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
        if self._features is None or self._decision is None:
            raise EngineError("the wake word is not loaded")
        heard = self._features.push(pcm)
        self._steps += 1
        self._embeddings = np.concatenate((self._embeddings[1:], heard.embeddings))
        self._mels.append(heard.mels[0])
        if self._steps < self._window or self._steps - self._voiced_at > _GATE_STEPS:
            self._decision.reset()
            return None
        score = self._decision.ask(self._embeddings, np.stack(self._mels))
        if score is None or max(self._speech, default=0.0) < SPEECH or self._steps - self._woken_at < REST_STEPS:
            return None
        self._woken_at = self._steps
        self._decision.reset()
        return WakeWord(self.phrase, score, _TYPICAL_LAG_MS + len(self._pending) // 32)

    def _open_head(self) -> WakeDecision:
        head = load_head(self._model)
        self.phrase = head.phrase
        return HeadDecision(head, self._threshold)

    def _open_onnx(self) -> WakeDecision:
        session = open_model(self._model)
        shape: list[int | str] = session.get_inputs()[0].shape
        steps = shape[1] if len(shape) == 3 and shape[2] == SIZE else None
        if not isinstance(steps, int):
            raise ConfigError(
                f"is no openwakeword model: its input is {shape}, expected [1, steps, {SIZE}]", file=str(self._model)
            )
        self._window = steps
        return OnnxDecision(session, self._threshold or _ONNX_THRESHOLD)
