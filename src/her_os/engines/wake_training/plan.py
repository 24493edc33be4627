"""What a training is asked for, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Plan:
    """What to train, from what, how much of it. `speech` is learnt from (half of each folder) and tested on."""

    phrase: str
    recordings: Path | None = None
    """Sound files of people of the house who say the phrase, one each."""
    speech: Sequence[Path] = ()
    unheard_speech: Sequence[Path] = ()
    """Only tested on."""
    music: Sequence[Path] = ()
    said: int = 9_000
    near: int = 5_000
    talk: int = 2_500
    speech_minutes: int = 90
    seed: int = 1
    say: Callable[[str], None] = lambda _line: None


@dataclass
class Report:
    """How the head did on voices and speech that it never learnt from."""

    hits: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Heard, said; by kind of voice."""
    false_alarms: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """Count and hours; by kind of sound."""
    first_stage_alarms: dict[str, int] = field(default_factory=dict[str, int])
    """Without the second stage."""
    delays_ms: list[int] = field(default_factory=list[int])
    """From the end of the phrase to its hit."""

    def lines(self) -> list[str]:
        """For people."""
        out = [f"hits, {kind}: {hit} of {said} ({hit / max(1, said):.1%})" for kind, (hit, said) in self.hits.items()]
        for kind, (count, hours) in self.false_alarms.items():
            first = self.first_stage_alarms.get(kind, 0)
            out.append(f"false alarms, {kind}: {count} in {hours:.2f} h (the first stage alone: {first})")
        if self.delays_ms:
            out.append(f"answers {np.median(self.delays_ms):.0f} ms after the end of the phrase (median)")
        return out
