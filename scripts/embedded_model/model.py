"""The network: a llama-architecture decoder small enough to train on one core in minutes.

Pre-norm, RMSNorm, interleaved RoPE (as llama.cpp's `llama` architecture expects), SwiGLU, tied embeddings.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """The network's size. `head_size` must divide `width`."""

    vocabulary: int
    width: int = 256
    layers: int = 4
    hidden: int = 640
    head_size: int = 64
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate neighbouring pairs of `x` (batch, heads, time, head_size) by `angles` (batch, 1, time, head_size / 2)."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).type_as(x)


class Block(nn.Module):
    """One layer: attention, then the gated feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.width // shape.head_size
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.attention_output = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.gate_up = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor) -> Tensor:
        """Return the layer's output; `mask` (batch, 1, time, time) is True where attention may look."""
        parts = self.query_key_value(self.attention_norm(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(rotate(query, angles), rotate(key, angles), value, attn_mask=mask)
        x = x + self.attention_output(seen.transpose(1, 2).flatten(-2))
        gate, up = self.gate_up(self.feed_forward_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Network(nn.Module):
    """The whole decoder; its output projection is its embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                deep = name.endswith(("attention_output.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * shape.layers) ** 0.5 if deep else 0.02)

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        """Return logits (count, vocabulary) for `tokens` at `positions`, where `wanted` is True (batch, time each)."""
        inverse = self.shape.rope_base ** (-torch.arange(0, self.shape.head_size, 2) / self.shape.head_size)
        angles = (positions[..., None].float() * inverse)[:, None]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, angles, mask)
        return self.norm(x[wanted]) @ self.embedding.weight.T
