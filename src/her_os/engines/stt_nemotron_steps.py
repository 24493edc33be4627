"""Steps of a cache-aware streaming model for all sessions: those that wait at one moment are one batch.

Sessions call from a thread each. Whoever gets the model takes along every other chunk of the same kind that waits, so
two callers cost one step on a graphics card, and a lone one never waits for company.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from her_os.contracts.errors import RecognitionError
from her_os.engines.own_library import library


@dataclass(eq=False)
class Step:
    """A chunk of one session: features (1, bands, frames), its caches and hypothesis; both are replaced when done."""

    chunk: Any
    caches: tuple[Any, Any, Any]
    hypothesis: Any
    drop_extra: int
    last: bool
    done: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    @property
    def kind(self) -> tuple[int, int, bool]:
        """Steps of one kind may be one batch."""
        return (int(self.chunk.shape[2]), self.drop_extra, self.last)


class Steps:
    """`run` makes steps of one kind; `largest` is the biggest batch there was."""

    def __init__(self, run: Callable[[Sequence[Step]], None], at_once: int) -> None:
        self._run, self._at_once = run, at_once
        self._model = threading.Lock()
        self._waiting_lock = threading.Lock()
        self._waiting: list[Step] = []
        self.largest = 0

    def do(self, step: Step) -> None:
        """Return when the step is done. Raises RecognitionError where the model failed."""
        with self._waiting_lock:
            self._waiting.append(step)
        with self._model:
            if not step.done.is_set():
                self._do_with(step)
        if step.failure is not None:
            raise RecognitionError(f"the recogniser failed: {step.failure}") from None

    def _do_with(self, step: Step) -> None:
        with self._waiting_lock:
            others = [one for one in self._waiting if one is not step and one.kind == step.kind]
            batch = [step, *others[: self._at_once - 1]]
            self._waiting = [one for one in self._waiting if one not in batch]
        self.largest = max(self.largest, len(batch))
        failure: Exception | None = None
        try:
            self._run(batch)
        except Exception as error:  # noqa: BLE001 - each session tells its own client
            failure = RuntimeError(f"{type(error).__name__}: {str(error).strip()[:200]}")
        for one in batch:
            one.failure = failure
            one.done.set()


def run_batch(model: Any, batch: Sequence[Step]) -> None:
    """One `conformer_stream_step` of NeMo for all of a batch; caches go in and come out by session."""
    torch = library("torch")

    channel, time, length = (
        torch.cat([step.caches[part] for step in batch], dim=dimension) for part, dimension in ((0, 1), (1, 1), (2, 0))
    )
    hypotheses = [step.hypothesis for step in batch]
    chunk = torch.cat([step.chunk for step in batch])
    frames = torch.full((len(batch),), chunk.shape[2], dtype=torch.long, device=chunk.device)
    with torch.inference_mode():
        _, told, channel, time, length, _ = model.conformer_stream_step(
            processed_signal=chunk,
            processed_signal_length=frames,
            cache_last_channel=channel,
            cache_last_time=time,
            cache_last_channel_len=length,
            keep_all_outputs=batch[0].last,
            previous_hypotheses=hypotheses,
            drop_extra_pre_encoded=batch[0].drop_extra,
            return_transcription=True,
        )
    alone = len(batch) == 1
    for number, step in enumerate(batch):
        own = slice(number, number + 1)
        parts = (channel[:, own], time[:, own], length[own])
        # A view would keep the caches of the whole batch alive as long as one of its sessions.
        step.caches = parts if alone else (parts[0].clone(), parts[1].clone(), parts[2].clone())
        step.hypothesis = told[number]
