"""Muon in single precision: momentum made orthogonal, matrices of one shape together.

`torch.optim.Muon` works in bfloat16, which a processor without bfloat16 arithmetic only imitates, slowly.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return `matrices` (count, rows, columns) with singular values near one, by Newton-Schulz steps."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Step along the orthogonal momentum, as long as an AdamW step would be."""

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.05) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                self._move(matrices, shape, group)

    def _move(self, matrices: list[Tensor], shape: torch.Size, group: dict[str, float]) -> None:
        ahead = list[Tensor]()
        for matrix in matrices:
            assert matrix.grad is not None
            average = self.state[matrix].setdefault("average", torch.zeros_like(matrix))
            average.lerp_(matrix.grad, 1 - group["momentum"])
            ahead.append(matrix.grad.lerp(average, group["momentum"]))
        length = 0.2 * max(shape) ** 0.5
        for matrix, way in zip(matrices, orthogonal(torch.stack(ahead)), strict=True):
            matrix.mul_(1 - group["lr"] * group["decay"])
            matrix.add_(way, alpha=-group["lr"] * length)
