"""Where a running synthesis can be left, though the library offers no way: hooks that raise inside its loops.

Each hook is a checkpoint. Where they fire was tried (chatterbox-tts 0.1.7): T3's own model object is rebuilt for every
utterance, so its transformer `t3.tfmr` carries the hook, once a token; `solve_euler` calls `estimator.forward()`, so
hooks on the estimator, the flow and the vocoder themselves never fire, those of the modules inside them do; the
watermarker is no module and is looked at before it is called.

On CUDA kernels only queue up while Python runs ahead. So the stream is waited for at each flow step and vocoder block:
the queue is never longer than one, and who leaves has stopped the card, too.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from her_os.contracts.errors import HerOsError


class SynthesisLeft(HerOsError):
    """A checkpoint saw the cancel. Caught by the engine, never seen outside."""

    code = "synthesis_left"


class Run:
    """What one synthesis counts. A step is a checkpoint passed."""

    def __init__(self, cancel: threading.Event) -> None:
        self.cancel = cancel
        self.steps = self.steps_after_cancel = self.samples = 0
        self.left_in = ""


class Checkpoints:
    """The hooks of one model. `run` is the synthesis that goes on now, None between them."""

    def __init__(self, wait_for_device: Callable[[], None] | None) -> None:
        self._wait_for_device = wait_for_device
        self.run: Run | None = None

    def check(self, stage: str, *, wait: bool = False) -> None:
        """Count a step, or leave. Raises SynthesisLeft; where the library goes on all the same, each time again."""
        run = self.run
        if run is None:
            return
        if wait and self._wait_for_device is not None:
            self._wait_for_device()
        if run.left_in:
            run.steps_after_cancel += 1
            raise SynthesisLeft(stage)
        if run.cancel.is_set():
            run.left_in = stage
            raise SynthesisLeft(stage)
        run.steps += 1

    def attach(self, tts: Any) -> None:
        """Hook into a model of the library, for good."""
        self._on(tts.t3.tfmr, "token")
        for module in list(tts.s3gen.flow.encoder.modules())[1:]:
            self._on(module, "flow encoder")
        estimator, vocoder = tts.s3gen.flow.decoder.estimator, tts.s3gen.mel2wav
        self._on(estimator.time_mlp, "flow", wait=True)
        for module in _leaves(estimator):
            self._on(module, "flow")
        self._on(vocoder.f0_predictor, "vocoder", wait=True)
        for block in vocoder.resblocks:
            self._on(block, "vocoder", wait=True)
        for module in _leaves(vocoder):
            self._on(module, "vocoder")

    def _on(self, module: Any, stage: str, *, wait: bool = False) -> None:
        def at_checkpoint(_module: Any, _given: Any) -> None:
            self.check(stage, wait=wait)

        module.register_forward_pre_hook(at_checkpoint)


def _leaves(module: Any) -> list[Any]:
    return [each for each in module.modules() if not list(each.children())]


def forget(error: BaseException) -> None:
    """Empty the frames that an error came through: they hold the caches of the utterance that was left."""
    seen: BaseException | None = error
    while seen is not None:
        if seen.__traceback__ is not None:
            traceback.clear_frames(seen.__traceback__)
        seen.__traceback__ = None
        seen = seen.__context__
