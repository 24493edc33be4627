"""Who watches a batch: nobody, or several at once."""

from __future__ import annotations

from pathlib import Path

from her_os.contracts.transcripts import BatchObserver, Progress, RecordingResult, Stage


class QuietObserver:
    """A BatchObserver for when nobody watches."""

    def began(self, source: Path, number: int, total: int) -> None:
        """Nobody is told."""

    def progress(self, source: Path, stage: Stage, event: Progress) -> None:
        """Nobody is told."""

    def finished(self, result: RecordingResult) -> None:
        """Nobody is told."""


class Several:
    """A BatchObserver that tells each of `observers`, in their order."""

    def __init__(self, *observers: BatchObserver) -> None:
        self._observers = observers

    def began(self, source: Path, number: int, total: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.began(source, number, total)

    def progress(self, source: Path, stage: Stage, event: Progress) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.progress(source, stage, event)

    def finished(self, result: RecordingResult) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.finished(result)
