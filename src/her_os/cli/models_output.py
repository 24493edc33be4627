"""How `her-os models` tells: a table, what a model needs, and how far a file is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import typer

from her_os.cli.table import print_table
from her_os.service.model_store.download import Report
from her_os.service.model_store.puller import Need
from her_os.service.model_store.store import Entry


def as_size(size: int) -> str:
    """Bytes, for people."""
    if not size:
        return "?"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} bytes"


def describe_state(entry: Entry) -> str:
    """In a word: whether it is here, and who vouches for its bytes."""
    if entry.here:
        return "here" if entry.locked is None or entry.locked.origin == "catalogue" else f"here, {entry.locked.origin}"
    if entry.model and entry.model.pinned:
        return "pinned"
    return "remembered" if entry.locked else "not pinned yet"


def print_models(entries: Sequence[Entry]) -> None:
    """A table."""
    rows = [
        [
            entry.name,
            entry.model.engine if entry.model else "",
            describe_state(entry),
            as_size(entry.size),
            entry.model.licence if entry.model else "",
            entry.model.note if entry.model else "no entry in the catalogue",
        ]
        for entry in entries
    ]
    print_table(["MODEL", "ENGINE", "STATE", "SIZE", "LICENCE", "NOTE"], rows, elastic=["LICENCE", "NOTE"])


def tell_need(need: Need, card: str) -> None:
    """What bringing a model in takes, and running it."""
    unknown = f", and {len(need.unknown_files)} files of unknown size" if need.unknown_files else ""
    typer.echo(f"disk: {as_size(need.download_bytes)} to come{unknown}; {as_size(need.disk_free_bytes)} are free")
    if need.model.memory_mb:
        memory = f"{need.model.memory_mb} MB while it runs, as measured"
    else:
        memory = "not measured here; at least the size of its files"
    typer.echo(f"memory, of the graphics card where it runs there: {memory}; {card}")


class Progress:
    """Bars on a terminal; elsewhere a line at each tenth. Use it as a context, `file` for each file."""

    def __init__(self) -> None:
        self._bars: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if self._bars is not None:
            self._bars.stop()

    def file(self, path: str) -> Report:
        """Whom to tell of this file's bytes."""
        return self._bar(path) if sys.stderr.isatty() else _lines(path)

    def _bar(self, path: str) -> Report:
        if self._bars is None:  # not before all questions were asked
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
            from rich.progress import Progress as Bars

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bars = Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True))
            self._bars.start()
        task = self._bars.add_task(path, total=None)
        return lambda here, total: self._bars.update(task, completed=here, total=total or None)


def _lines(path: str) -> Report:
    told = 0

    def report(here: int, total: int) -> None:
        nonlocal told
        tenth = 10 * here // total if total else 0
        if tenth > told and total > 1e6:
            told = tenth
            typer.echo(f"{path}: {10 * tenth} % of {as_size(total)}", err=True)

    return report
