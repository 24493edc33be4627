"""Trains a Network with numpy alone: Adam, weight decay, dropout of inputs, batches that are half phrase, half not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    steps: int = 2_500
    rate: float = 1e-3
    decay: float = 0.2
    dropout: float = 0.4


def untrained(
    mean: NDArray[np.float32], scale: NDArray[np.float32], rng: np.random.Generator, hidden: int = 64
) -> Network:
    """Random weights. Inputs are brought to mean 0 by `mean` and to deviation 1 by `scale`."""
    size = mean.size
    into = rng.normal(0, np.sqrt(2 / size), (size, hidden)).astype(np.float32)
    out = rng.normal(0, np.sqrt(1 / hidden), hidden).astype(np.float32)
    return Network(mean, scale, into, np.zeros(hidden, np.float32), out, np.zeros(1, np.float32))


def merge(networks: Sequence[Network]) -> Network:
    """Several of the same inputs as one: its logit is the mean of theirs."""
    first, count = networks[0], len(networks)
    return Network(
        first.mean,
        first.scale,
        np.concatenate([network.hidden for network in networks], axis=1),
        np.concatenate([network.hidden_bias for network in networks]),
        np.concatenate([network.out for network in networks]) / np.float32(count),
        np.sum([network.out_bias for network in networks], axis=0) / np.float32(count),
    )


def train(
    start: Network,
    positives: Inputs,
    positive_count: int,
    negatives: Inputs,
    negative_indices: NDArray[np.int64],
    rng: np.random.Generator,
    recipe: Recipe = Recipe(),
) -> Network:
    """`start`, taught to say 1 for windows of `positives` (numbered from 0) and 0 for those of `negatives`."""
    mean, scale = start.mean, start.scale
    weights = [start.hidden.copy(), start.hidden_bias.copy(), start.out.copy(), start.out_bias.copy()]
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
    return Network(mean, scale, *weights)


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
