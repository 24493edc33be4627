"""When each step of a boot began and ended: the boot waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from her_os.contracts.loader_status import StageTime


class BootTimeline:
    """Collects steps. `now_s` is any clock that only grows."""

    def __init__(self) -> None:
        self.stages: list[StageTime] = []
        self._zero_s = 0.0

    def begin(self, now_s: float) -> None:
        """Forget everything; the boot begins now."""
        self.stages, self._zero_s = [], now_s

    def add(self, service: str, stage: str, begin_s: float, end_s: float) -> None:
        """Note a step that has ended."""
        begin_ms, end_ms = ((at - self._zero_s) * 1000 for at in (begin_s, end_s))
        self.stages.append(
            StageTime(service=service, stage=stage, begin_ms=round(begin_ms, 1), end_ms=round(end_ms, 1))
        )

    def finish(self) -> float:
        """Let the boot have begun with its first step, if that was before us, and return how long it took, in ms."""
        early_ms = min(0.0, *(stage.begin_ms for stage in self.stages), 0.0)
        self._zero_s += early_ms / 1000
        self.stages = [
            StageTime(
                service=stage.service,
                stage=stage.stage,
                begin_ms=round(stage.begin_ms - early_ms, 1),
                end_ms=round(stage.end_ms - early_ms, 1),
            )
            for stage in self.stages
        ]
        return max((stage.end_ms for stage in self.stages), default=0.0)

    def elapsed_ms(self, now_s: float) -> float:
        return round((now_s - self._zero_s) * 1000, 1)


def draw_waterfall(stages: Sequence[StageTime], width: int = 48) -> Iterator[str]:
    """One line a step, in the order they began: `stt  ready  ....#####....  1.2-3.4 s`."""
    end_ms = max((stage.end_ms for stage in stages), default=0.0)
    if end_ms <= 0:
        return
    for stage in sorted(stages, key=lambda one: (one.begin_ms, one.end_ms)):
        first = min(width - 1, round(max(0.0, stage.begin_ms) / end_ms * width))
        last = max(first + 1, round(stage.end_ms / end_ms * width))
        bar = "." * first + ("-" if stage.stage == "prepare" else "#") * (last - first) + "." * (width - last)
        times = f"{stage.begin_ms / 1000:.2f}-{stage.end_ms / 1000:.2f} s"
        yield f"{stage.service:<7} {stage.stage:<8} {bar} {times}"


def slowest_chain_ms(stages: Sequence[StageTime]) -> float:
    """The time of the steps that cannot overlap: of each service, from its turn until it was ready, one after another.

    Preparation is left out, for it may overlap; so is warming up, except what comes after the last one is ready.
    """
    gated = sum(stage.end_ms - stage.begin_ms for stage in stages if stage.stage in {"start", "ready"})
    last_ready = max((stage.end_ms for stage in stages if stage.stage == "ready"), default=0.0)
    return gated + max(0.0, max((stage.end_ms for stage in stages), default=0.0) - last_ready)
