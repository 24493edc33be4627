"""Tables of plain text: one line a row, whole in a pipe, cut to fit a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import typer

_GAP = 2
_LEAST = 8
"""Cells of a column that are left, however narrow the terminal."""


def shown(text: str) -> str:
    """A name may hold anything; a terminal must not obey it."""
    return "".join(char if char.isprintable() else "?" for char in text)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, elastic: Sequence[str] = ()) -> None:
    """Print columns side by side. On a terminal that is too narrow, those named in `elastic` are cut."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lay_out(headers, rows, width=width, elastic=elastic):
        typer.echo(line)


def lay_out(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None, elastic: Sequence[str] = ()
) -> list[str]:
    """The lines of a table, the headers first. `width` in cells of a terminal; None: as wide as it gets.

    What is too long ends in an ellipsis; the widest elastic column gives way first.
    """
    from rich.cells import cell_len, set_cell_size

    table = [list(headers), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    gives = [index for index, name in enumerate(headers) if name in elastic]
    while gives and width is not None and sum(widths) + _GAP * (len(widths) - 1) > width:
        widest = max(gives, key=widths.__getitem__)
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1

    def fit(cell: str, cells: int) -> str:
        return set_cell_size(cell, cells) if cell_len(cell) <= cells else set_cell_size(cell, cells - 1) + "…"

    return [(" " * _GAP).join(map(fit, row, widths)).rstrip() for row in table]
