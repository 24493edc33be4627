"""Tables: whole in a pipe, within the width of a terminal otherwise, and never obeyed by it."""

from __future__ import annotations

from rich.cells import cell_len

from her_os.cli.table import lay_out

HEADERS = ("id", "caller", "outcome")
ROWS = [
    ("a1", "Anna-Maria Constanze von Beispiel <sip:anna@192.0.2.7>", "the far end hung up"),
    ("b2", "東京の電話番号からの長い名前", "goodbye"),
]


def test_columns_stand_one_below_the_other_and_nothing_is_cut_in_a_pipe() -> None:
    head, first, second = lay_out(HEADERS, ROWS, width=None, elastic=("caller", "outcome"))
    assert ROWS[0][1] in first
    assert first.index("the far end") == head.index("outcome")
    assert cell_len(second[: second.index("goodbye")]) == head.index("outcome")
    assert not any(line.endswith(" ") for line in (head, first, second))


def test_a_narrow_terminal_gets_the_beginnings() -> None:
    lines = lay_out(HEADERS, ROWS, width=40, elastic=("caller", "outcome"))
    assert max(map(cell_len, lines)) <= 40
    assert lines[1].startswith("a1  Anna-Mar")
    assert "…" in lines[1]


def test_columns_that_may_not_give_way_stay_whole() -> None:
    assert "the far end hung up" in lay_out(HEADERS, ROWS, width=40, elastic=("caller",))[1]
    assert len(lay_out(HEADERS, ROWS, width=5, elastic=HEADERS)) == 3


def test_what_a_terminal_would_obey_is_a_question_mark() -> None:
    assert lay_out(("x",), [("\x1b[31m\r\n",)], width=None)[1] == "?[31m??"


def test_no_rows_leave_the_headers() -> None:
    assert lay_out(HEADERS, [], width=80) == ["id  caller  outcome"]
