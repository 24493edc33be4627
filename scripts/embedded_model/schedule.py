"""The learning rate over time: warm up, hold, cool down to zero. Time is an argument.

Cooling down is where most of the quality comes from, so a training that must end early cools down first.
"""


class Schedule:
    """A rate for each moment of a training of `minutes`. `wrap_up` ends it early, properly."""

    def __init__(self, minutes: float, peak: float, warmup_steps: int = 40, cooldown: float = 0.5) -> None:
        self._peak, self._warmup_steps = peak, warmup_steps
        self._end_s = minutes * 60
        self._cool_from_s = self._end_s * (1 - cooldown)

    def rate(self, step: int, elapsed_s: float) -> float:
        """Return the learning rate at `step`, `elapsed_s` after the start."""
        warm = min(1.0, (step + 1) / self._warmup_steps)
        cool = min(1.0, max(0.0, self._end_s - elapsed_s) / (self._end_s - self._cool_from_s))
        return self._peak * warm * cool

    def is_over(self, elapsed_s: float) -> bool:
        """Tell whether the time is up."""
        return elapsed_s >= self._end_s

    @property
    def minutes(self) -> float:
        """When the training ends, in minutes from its start."""
        return self._end_s / 60

    def wrap_up(self, elapsed_s: float) -> None:
        """Begin to cool down now, for half as long as the training has held; nothing if it cools down already."""
        if elapsed_s < self._cool_from_s:
            self._cool_from_s = elapsed_s
            self._end_s = elapsed_s + max(30.0, elapsed_s / 2)
