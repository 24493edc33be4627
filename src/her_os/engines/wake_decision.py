"""Window after window of 80 ms: was that the phrase? One way for heads of ours, one for openwakeword's models."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_head import AVERAGED, Head, embedding_inputs, mel_inputs, probability, together

IN_A_ROW, OF = 2, 3
"""So many of the last windows over the threshold make a hit of openwakeword's models."""


class WakeDecision(Protocol):
    """Is asked while there may be a voice."""

    def ask(self, embeddings: NDArray[np.float32], mels: NDArray[np.float32]) -> float | None:
        """The last embeddings (n, 96) and mels (16, 8, 32) -> a score from 0 to 1 where they wake."""
        ...

    def reset(self) -> None:
        """There was no voice, or another stream begins."""
        ...


class HeadDecision:
    """Both networks of a head of ours together, averaged over the last windows."""

    def __init__(self, head: Head, threshold: float) -> None:
        self._head, self._threshold = head, threshold or head.threshold
        self._log_odds: deque[float] = deque(maxlen=AVERAGED)

    def ask(self, embeddings: NDArray[np.float32], mels: NDArray[np.float32]) -> float | None:
        """See WakeDecision."""
        first = self._head.first.log_odds(embedding_inputs(embeddings[None]))
        second = self._head.second.log_odds(mel_inputs(mels[None]))
        self._log_odds.append(float(together(first, second)[0]))
        if len(self._log_odds) < AVERAGED:
            return None
        score = float(probability(np.array(self._log_odds, np.float32).mean(keepdims=True))[0])
        return score if score >= self._threshold else None

    def reset(self) -> None:
        """See WakeDecision."""
        self._log_odds.clear()


class OnnxDecision:
    """One of openwakeword's models, by an onnxruntime session."""

    def __init__(self, session: Any, threshold: float) -> None:
        self._session, self._entry, self._threshold = session, session.get_inputs()[0].name, threshold
        self._hits: deque[bool] = deque(maxlen=OF)

    def ask(self, embeddings: NDArray[np.float32], mels: NDArray[np.float32]) -> float | None:
        """See WakeDecision."""
        score = float(np.max(self._session.run(None, {self._entry: embeddings[None]})[0]))
        self._hits.append(score >= self._threshold)
        return score if sum(self._hits) >= IN_A_ROW else None

    def reset(self) -> None:
        """See WakeDecision."""
        self._hits.clear()
