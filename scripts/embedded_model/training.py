"""The training loop: Muon for the matrices, AdamW for the rest, for a given number of minutes.

Minutes are of processor time, divided by the threads: a busy machine takes longer but learns as much.
"""

import math
import signal
import time
from collections.abc import Iterator

import torch
from torch.nn import functional as F

from .corpus import Batch
from .model import Network
from .muon import Muon
from .schedule import Schedule

_REPORT_EVERY_S = 30.0


def train(network: Network, data: Iterator[Batch], minutes: float, threads: int, peak_rate: float) -> None:
    """Train `network` in place, printing progress. Ctrl-C ends it early, but cools down first."""
    matrices = [p for name, p in network.named_parameters() if p.ndim == 2 and "embedding" not in name]
    others = [p for name, p in network.named_parameters() if p.ndim != 2 or "embedding" in name]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=peak_rate),
        torch.optim.AdamW(others, lr=peak_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    schedule = Schedule(minutes, peak_rate)
    begun = last = time.monotonic()
    start = time.process_time()
    step = seen = 0
    smooth: float | None = None

    def spent_s() -> float:
        return (time.process_time() - start) / threads

    def wrap_up(_signal: int, _frame: object) -> None:
        schedule.wrap_up(spent_s())
        print(f"ending early, at {schedule.minutes:.1f} min", flush=True)

    signal.signal(signal.SIGINT, wrap_up)
    while not schedule.is_over(elapsed := spent_s()):
        rate = schedule.rate(step, elapsed)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        batch = next(data)
        wanted = batch.weights > 0
        # In single precision: a processor without bfloat16 arithmetic takes three times as long for imitating it.
        loss = F.cross_entropy(network(batch.inputs, batch.positions, batch.mask, wanted), batch.targets[wanted])
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step, seen = step + 1, seen + batch.inputs.numel()
        now = float(loss.detach())
        smooth = now if smooth is None else 0.95 * smooth + 0.05 * now
        if not math.isfinite(now):
            raise FloatingPointError("training diverged: lower --rate")
        if time.monotonic() - last >= _REPORT_EVERY_S:
            last = time.monotonic()
            speed = seen / (last - begun)
            print(
                f"{elapsed / 60:5.1f} of {schedule.minutes:.1f} min  step {step}  assistant loss {smooth:.4f}"
                f"  {seen / 1e6:.1f} M tokens  {speed:.0f} tokens/s",
                flush=True,
            )
    signal.signal(signal.SIGINT, signal.SIG_DFL)
