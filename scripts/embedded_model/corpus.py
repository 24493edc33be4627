"""From conversations to training windows: packing that keeps conversations apart."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .dialogues import Writer
from .tools import Message, body, chatml_role

_Place = tuple[int, float, int, int]  # token, weight, position, and which conversation it belongs to


def encode(tokenizer: Tokenizer, messages: list[Message]) -> tuple[list[int], list[float]]:
    """Return a conversation's tokens and how much predicting each of them counts."""
    tokens: list[int] = []
    weights: list[float] = []
    for message in messages:
        head = tokenizer.encode(f"<|im_start|>{chatml_role(message)}\n").ids
        text = tokenizer.encode(body(message) + "<|im_end|>").ids
        tail = tokenizer.encode("\n").ids
        # Only what the assistant says whole: a reply that was cut, or that no network wrote, is there to be read.
        counts = 1.0 if message["role"] == "assistant" and message.get("learn", True) else 0.0
        tokens += head + text + tail
        weights += [0.0] * len(head) + [counts] * len(text) + [0.0] * len(tail)
    return tokens, weights


@dataclass(frozen=True)
class Batch:
    """Windows to train on: inputs, positions, targets and weights (batch, time), and the attention mask."""

    inputs: Tensor
    positions: Tensor
    targets: Tensor
    weights: Tensor
    mask: Tensor


def stretched(tokens: list[int], start: int, rng: random.Random) -> list[int]:
    """Return the tokens' positions, now and then with gaps where a message starts.

    Conversations are short and calls are long: gaps show the network distances that no window holds.
    """
    positions = list(range(len(tokens)))
    if rng.random() < 0.3:
        starts = [at for at, token in enumerate(tokens) if token == start and at > 0]
        for at in rng.sample(starts, min(len(starts), rng.randint(1, 2))):
            gap = rng.randint(1, 700)
            positions = positions[:at] + [position + gap for position in positions[at:]]
    return positions


def batches(tokenizer: Tokenizer, seed: int, batch: int, window: int) -> Iterator[Batch]:
    """Yield batches for ever. A window holds whole conversations that cannot see each other."""
    rng = random.Random(seed)
    writer = Writer(rng)
    start: int = tokenizer.token_to_id("<|im_start|>")
    waiting: list[tuple[list[int], list[float], list[int]]] = []
    causal = torch.ones(window, window, dtype=torch.bool).tril()

    def fill() -> list[_Place]:
        places: list[_Place] = []
        owner = 0
        while True:
            while len(waiting) < 64:
                ids, counts = encode(tokenizer, writer.conversation())
                cut = slice(0, window + 1)
                waiting.append((ids[cut], [0.0, *counts[1:]][cut], stretched(ids, start, rng)[cut]))
            room = window + 1 - len(places)
            fitting = [at for at, (ids, _, _) in enumerate(waiting) if len(ids) <= room]
            if not fitting:
                return places + [(0, 0.0, 0, 0)] * room
            # Whatever comes first opens the window, the longest that fits fills it.
            pick = max(fitting, key=lambda at: len(waiting[at][0])) if places else fitting[0]
            owner += 1
            tokens, weights, positions = waiting.pop(pick)
            places += zip(tokens, weights, positions, [owner] * len(tokens), strict=True)

    while True:
        rows = [fill() for _ in range(batch)]
        tokens, weights, positions, owners = (
            torch.tensor([[place[part] for place in row] for row in rows]) for part in range(4)
        )
        owners = owners[:, :-1]
        mask = (owners[:, :, None] == owners[:, None, :]) & causal
        yield Batch(tokens[:, :-1], positions[:, :-1], tokens[:, 1:], weights[:, 1:], mask[:, None])
