"""The same features, six times faster, for recordings: the embedding model is shown a long spectrogram at once.

The model slides over time without padding, so a longer input gives one embedding for each eight frames, bit for bit
those of its 76-frame windows. Its file fixes the length in two places, which are opened here in the bytes of the
ONNX graph; a file that looks otherwise is used as it is, step by step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_features import (
    BANDS,
    EMBEDDING_FILE,
    FRAMES,
    SIZE,
    WINDOW_FRAMES,
    WakeFeatures,
    open_model,
    shipped_models,
)

_AT_ONCE = 64
"""Steps in one run: more only costs memory."""


class RecordedFeatures(WakeFeatures):
    """WakeFeatures for whole recordings."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._wide = _open_wide((folder or shipped_models()) / EMBEDDING_FILE)

    def _embed(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._wide is None:
            return super()._embed(frames)
        out: list[NDArray[np.float32]] = []
        count = (len(frames) - WINDOW_FRAMES) // FRAMES + 1
        for first in range(0, count, _AT_ONCE):
            last = min(first + _AT_ONCE, count) - 1
            part = frames[None, first * FRAMES : last * FRAMES + WINDOW_FRAMES, :, None]
            out.append(self._wide.run(None, {"input_1": part})[0].reshape(SIZE, -1).T)
        return np.concatenate(out)


def _open_wide(file: Path) -> Any | None:
    graph = file.read_bytes()
    fixed_length = bytes((0x0A, 2, 0x08, WINDOW_FRAMES))  # TensorShapeProto.dim {dim_value: 76}
    any_length = bytes((0x0A, 2, 0x12, 0))  # TensorShapeProto.dim {dim_param: ""}
    to_windows = np.array([-1, 1, WINDOW_FRAMES, BANDS], "<i8").tobytes()  # of the first Reshape
    to_one_image = np.array([1, 1, -1, BANDS], "<i8").tobytes()
    if graph.count(fixed_length) != 1 or graph.count(to_windows) != 1:
        return None
    return open_model(file, graph.replace(fixed_length, any_length).replace(to_windows, to_one_image))
