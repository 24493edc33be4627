#!/usr/bin/env python3
"""Cancels Chatterbox in each of its stages again and again: how long until the thread has left, and what it still did.

Steps after a cancel are counted by hooks of this script's own, not by the engine's. Run it on Chatterbox's environment:

    .cache/engines/chatterbox/bin/python scripts/bench_cancel_matrix.py FOLDER [--engine chatterbox-turbo] [--times 20]

FOLDER holds the model (scripts/make_tiny_chatterbox.py makes one, --full-size in the published sizes). On a machine
with a graphics card `--device cuda` measures there: the thread leaves when the card is idle, which is what is timed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from her_os.engines.tts_chatterbox import ChatterboxEngine
from her_os.engines.tts_chatterbox_variants import VARIANTS
from her_os.settings import Settings
from her_os.settings.schema import TextToSpeech

TEXT = "Hello there, this is a test of being interrupted."
STAGES = {"before": 0, "token": 30, "flow": 2, "vocoder": 1, "watermark": 1, "sound": 1, "after": 0}
"""By stage, which of its steps the cancel comes at. A token in the middle is decoding; the first one is the prefill."""


@dataclass
class Seen:
    """What the library began, and the cancel that this brings about."""

    steps: dict[str, int] = field(default_factory=dict)
    after: int = 0
    cancelled_at: float = 0.0
    at: Callable[[str, int], None] = lambda _stage, _count: None

    def note(self, stage: str) -> None:
        if self.cancelled_at:
            self.after += 1
        self.steps[stage] = self.steps.get(stage, 0) + 1
        self.at(stage, self.steps[stage])


def watch(engine: ChatterboxEngine, seen: Seen) -> None:
    """Hooks behind the engine's: they see the steps that really begin."""
    tts = engine._tts
    for stage, module in (
        ("token", tts.t3.tfmr),
        ("flow", tts.s3gen.flow.decoder.estimator.time_mlp),
        ("vocoder", tts.s3gen.mel2wav.resblocks[0]),
    ):
        module.register_forward_pre_hook(lambda *_given, stage=stage: seen.note(stage))
    apply = tts.watermarker.apply_watermark

    def watermark(*given: Any, **named: Any) -> Any:
        seen.note("watermark")
        return apply(*given, **named)

    tts.watermarker.apply_watermark = watermark


def once(engine: ChatterboxEngine, seen: Seen, stage: str) -> tuple[float, int]:
    """Milliseconds from the cancel to the thread's exit, and the library's steps in between."""
    cancel, ready = threading.Event(), threading.Event()
    seen.steps, seen.after, seen.cancelled_at = {}, 0, 0.0
    number = STAGES[stage]
    seen.at = lambda at, count: ready.set() if (at, count) == (stage, number) else None
    left: list[float] = []

    def speak() -> None:
        heard: list[bytes] = []

        def emit(pcm: bytes) -> None:
            heard.append(pcm)
            if stage == "sound" and len(heard) == number:
                ready.set()

        engine.synthesize(TEXT, "", cancel, emit)
        left.append(time.perf_counter())

    thread = threading.Thread(target=speak)
    if stage == "before":
        ready.set()
    else:
        thread.start()
        if stage == "after":
            thread.join()
            ready.set()
    assert ready.wait(600)
    cancel.set()
    seen.cancelled_at = time.perf_counter()
    if stage == "before":
        thread.start()
    thread.join()
    return max(0.0, (left[0] - seen.cancelled_at) * 1000), seen.after


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=sorted(VARIANTS), default="chatterbox")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--times", type=int, default=20, help="cancels of each stage (default 20)")
    parser.add_argument("--sentence", action="store_true", help="sentence by sentence instead of streaming")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    asked = TextToSpeech(
        engine=options.engine, model=str(options.folder), device=options.device, streaming=not options.sentence
    )
    engine = ChatterboxEngine.create(Settings(tts=asked))
    engine.load()
    seen = Seen()
    watch(engine, seen)
    rows = []
    how = "sentence by sentence" if options.sentence else "streaming"
    print(f"{options.engine} on {options.device}, {how}, {platform.machine()}")
    print("| stage | cancels | exit p50 ms | p95 ms | max ms | steps after |\n|---|---|---|---|---|---|")
    for stage in STAGES:
        measured = [once(engine, seen, stage) for _ in range(options.times)]
        times = sorted(exit_ms for exit_ms, _ in measured)
        row = {
            "engine": options.engine,
            "stage": stage,
            "cancels": len(times),
            "p50_ms": round(statistics.median(times), 1),
            "p95_ms": round(times[min(len(times) - 1, int(0.95 * len(times)))], 1),
            "max_ms": round(times[-1], 1),
            "steps_after": max(after for _, after in measured),
        }
        rows.append(row)
        print("| " + " | ".join(str(row[name]) for name in list(row)[1:]) + " |", flush=True)
    engine.unload()
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
