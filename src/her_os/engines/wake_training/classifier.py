"""Trains a Network with numpy alone: Adam, weight decay, dropout of inputs, batches that are half phrase, half not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_head import Network

Inputs = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Windows, by their numbers, as inputs of the network."""
_HALF_BATCH = 128
_MASKS = 1_024
"""Made once: random numbers would cost more than the learning."""


@dataclass(frozen=True)
class Recipe:
    """How long and how carefully."""

    hidden: int = 48
    steps: int = 2_500
    rate: float = 1e-3
    decay: float = 0.02
    dropout: float = 0.25


def train(
    positives: Inputs,
    positive_count: int,
    negatives: Inputs,
    negative_indices: NDArray[np.int64],
    rng: np.random.Generator,
    recipe: Recipe = Recipe(),
    start: Network | None = None,
) -> Network:
    """A network that says 1 for windows of `positives` (numbered from 0) and 0 for those of `negatives`."""
    some = np.concatenate(
        (positives(rng.integers(0, positive_count, 2_000)), negatives(rng.choice(negative_indices, 4_000)))
    )
    mean, scale = some.mean(axis=0), 1 / (some.std(axis=0) + 1e-3)
    if start is not None:
        mean, scale = start.mean, start.scale
        weights = [start.hidden.copy(), start.hidden_bias.copy(), start.out.copy(), start.out_bias.copy()]
    else:
        size = mean.size
        weights = [
            rng.normal(0, np.sqrt(2 / size), (size, recipe.hidden)),
            np.zeros(recipe.hidden),
            rng.normal(0, np.sqrt(1 / recipe.hidden), recipe.hidden),
            np.zeros(1),
        ]
    weights = [weight.astype(np.float32) for weight in weights]
    moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in weights]
    kept = rng.random((_MASKS, mean.size)) >= recipe.dropout
    masks = (kept / (1 - recipe.dropout)).astype(np.float32)
    labels = np.r_[np.ones(_HALF_BATCH), np.zeros(_HALF_BATCH)].astype(np.float32)
    for step in range(1, recipe.steps + 1):
        batch = np.concatenate(
            (
                positives(rng.integers(0, positive_count, _HALF_BATCH)),
                negatives(rng.choice(negative_indices, _HALF_BATCH)),
            )
        )
        inputs = np.clip((batch - mean) * scale, -5, 5).astype(np.float32)
        inputs *= masks[rng.integers(0, len(masks), len(inputs))]
        gradients = _gradients(weights, inputs, labels)
        rate = recipe.rate * min(1.0, 2 * (1 - step / recipe.steps) + 0.02)
        for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            first, second = moments[index]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            update = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            weight -= rate * (update + (recipe.decay * weight if weight.ndim == 2 else 0))
    return Network(mean.astype(np.float32), scale.astype(np.float32), *weights)


def _gradients(
    weights: list[NDArray[np.float32]], inputs: NDArray[np.float32], labels: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    hidden_weight, hidden_bias, out, out_bias = weights
    hidden = np.maximum(inputs @ hidden_weight + hidden_bias, 0)
    probability = 1 / (1 + np.exp(-np.clip(hidden @ out + out_bias, -30, 30)))
    error = ((probability - labels) / labels.size).astype(np.float32)
    back = (error[:, None] * out[None]) * (hidden > 0)
    gradients = [inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(keepdims=True)]
    return [gradient.astype(np.float32) for gradient in gradients]
