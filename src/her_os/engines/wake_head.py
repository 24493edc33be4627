"""A head of our own: two small networks that know one phrase, in one .npz file of numbers.

The first looks at the last 16 embeddings (about 2 s), the second at the spectrogram itself (1.28 s, without its
loudness and its colour). They were trained apart and see different things, so what fools one seldom fools both: their
log odds are added, and averaged over a few windows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.errors import ConfigError

WINDOW = 16
"""Steps of 80 ms."""
_POOL = 4
"""Mel frames averaged, so that a speaker's tempo matters less."""
SECOND_WEIGHT = 1.5
"""Of the second network's log odds beside the first one's."""
AVERAGED = 4
"""Windows, one each 80 ms, that decide together."""
FORMAT = 2


@dataclass(frozen=True)
class Network:
    """One hidden layer: inputs are brought to mean 0 and deviation 1, ReLU, then a probability."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: NDArray[np.float32]

    def log_odds(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, inputs) -> (n,)."""
        normal = np.clip((inputs - self.mean) * self.scale, -5, 5)
        logits = np.maximum(normal @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias
        return np.clip(logits, -14, 14).astype(np.float32)

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, inputs) -> (n,) probabilities."""
        return probability(self.log_odds(inputs))


@dataclass(frozen=True)
class Head:
    """What is known of one phrase. `threshold`: the probability of both together that wakes."""

    phrase: str
    first: Network
    second: Network
    threshold: float


def probability(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function."""
    return (1 / (1 + np.exp(-log_odds))).astype(np.float32)


def together(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log odds of both networks as one."""
    return ((first + SECOND_WEIGHT * second) / (1 + SECOND_WEIGHT)).astype(np.float32)


def embedding_inputs(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 16, 96) -> (n, 1536), for the first network."""
    return embeddings.reshape(len(embeddings), -1)


def mel_inputs(mels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 16, 8, 32) -> (n, 1024), for the second: each band without its mean over the window."""
    frames = mels.reshape(len(mels), -1, _POOL, mels.shape[-1]).mean(axis=2)
    return (frames - frames.mean(axis=1, keepdims=True)).reshape(len(mels), -1)


def save_head(file: Path, head: Head) -> None:
    """Write it; numbers in 16 bits, which changes no answer. Raises OSError."""
    arrays: dict[str, Any] = {
        f"{name}.{field}": getattr(network, field).astype(np.float16 if field == "hidden" else np.float32)
        for name, network in (("first", head.first), ("second", head.second))
        for field in Network.__dataclass_fields__
    }
    arrays |= {
        "format": FORMAT,
        "phrase": head.phrase,
        "threshold": head.threshold,
    }
    fresh = file.with_name(file.name + ".new.npz")
    np.savez_compressed(fresh, **arrays)
    fresh.replace(file)


def load_head(file: Path) -> Head:
    """Raises ConfigError for a file that is missing or no head of ours."""
    try:
        with np.load(file, allow_pickle=False) as found:
            if int(found["format"]) != FORMAT:
                raise ConfigError(f"is of format {found['format']}; train it again: her-os wake train", file=str(file))
            first, second = (_network(found, name) for name in ("first", "second"))
            return Head(str(found["phrase"]), first, second, float(found["threshold"]))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=str(file)) from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(
            "is no wake word of ours; expected a .npz that `her-os wake train` wrote", file=str(file)
        ) from error


def _network(found: Mapping[str, NDArray[Any]], name: str) -> Network:
    return Network(*(found[f"{name}.{field}"].astype(np.float32) for field in Network.__dataclass_fields__))
