"""`her-os calls`: readable at 80 columns and in a pipe, and clear about what it cannot show."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from her_os.cli.calls import app
from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import HerOsError
from her_os.household.call_log import CallLog
from tests.household.house import turn

LONG = CallerInfo("sip:anna-maria.constanze@a-very-long-host-name.example.net", "[red]Anna-Maria Constanze[/x]")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def keep(state: Path, *calls: str, ended: bool = True, caller: CallerInfo = LONG) -> None:
    log = CallLog(state / "calls.sqlite3")
    for call_id in calls:
        record = log.begin(call_id, caller, mode="full duplex", recording="")
        record.turn_finished(turn(1))
        if ended:
            record.end("the far end hung up (normal call clearing)", "G722")
    log.close()


def calls(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def on_a_terminal(arguments: Sequence[str], columns: int) -> list[str]:
    """What a terminal of that many columns gets to show."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "her_os.cli", *arguments]
    environment = {**os.environ, "COLUMNS": str(columns)}
    try:
        subprocess.run(command, env=environment, stdin=follower, stdout=follower, check=True, timeout=60)
    finally:
        os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 1 << 16):
            text += chunk
    except OSError:  # the end of a terminal
        pass
    finally:
        os.close(leader)
    return text.decode().splitlines()


def test_a_call_is_one_whole_line_in_a_pipe(state: Path) -> None:
    keep(state, "a1b2c3d4e5f6", "ffeeddccbbaa")
    head, first, second = calls().splitlines()
    assert head.split() == ["id", "when", "caller", "secs", "turns", "outcome"]
    assert first.startswith("ffeeddccbbaa  ")
    assert second.endswith("  [red]Anna-Maria Constanze[/x]  0     1      the far end hung up (normal call clearing)")


def test_a_call_is_one_line_of_a_terminal(state: Path) -> None:
    keep(state, "a1b2c3d4e5f6")
    lines = on_a_terminal(["calls"], 80)
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith("a1b2c3d4e5f6  2")
    assert "the far end" in lines[1]


def test_a_call_that_was_cut_off_says_so(state: Path) -> None:
    keep(state, "cut", ended=False)
    CallLog(state / "calls.sqlite3").close()
    assert "cut off: the daemon ended" in calls()
    assert "cut off: the daemon ended" in calls("show", "cut")
    assert json.loads(calls("--json"))[0]["outcome"] == "crashed"


def test_show_takes_the_beginning_of_an_id(state: Path) -> None:
    keep(state, "a1b2", "a1c3", "ffee")
    shown = calls("show", "f")
    assert shown.startswith("ffee  ")
    assert "0 s, G722, full duplex" in shown
    assert json.loads(calls("show", "a1b", "--json"))["id"] == "a1b2"


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        ("%", "no call begins with '%'; `her-os calls` lists them"),
        ("_1b2", "no call begins with '_1b2'"),
        ("", "an empty id names no call; `her-os calls` lists them"),
        ("zz", "no call begins with 'zz'"),
    ],
)
def test_an_id_that_names_no_call(state: Path, beginning: str, words: str) -> None:
    keep(state, "a1b2")
    with pytest.raises(HerOsError) as caught:
        calls("show", beginning)
    assert words in str(caught.value)


def test_an_id_that_names_several_lists_them(state: Path) -> None:
    keep(state, *(f"a1{number:02}" for number in range(12)))
    with pytest.raises(HerOsError) as caught:
        calls("show", "a1")
    assert str(caught.value).startswith("12 calls begin with 'a1': a111 (20")
    assert str(caught.value).endswith(" and 2 more; give more of the id")
    assert "a110 (" in str(caught.value)


def test_an_empty_log_and_one_that_is_switched_off_are_told_apart(state: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("phone: {call_log: false}\n")
    assert calls() == "No calls yet.\n"
    assert "switched off (phone.call_log in " in calls("--config", str(config))
    with pytest.raises(HerOsError, match="the call log is switched off"):
        calls("show", "a", "--config", str(config))
    keep(state, "old")
    result = CliRunner().invoke(app, ["--json", "--config", str(config)], catch_exceptions=False)
    assert "switched off" in result.stderr
    assert [call["id"] for call in json.loads(result.stdout)] == ["old"]


@pytest.mark.parametrize("command", [(), ("show", "a")])
def test_a_damaged_log_is_a_clear_error(state: Path, command: tuple[str, ...]) -> None:
    state.mkdir()
    (state / "calls.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(HerOsError, match=r"calls\.sqlite3 is damaged \(.*\); .* restart her-os"):
        calls(*command)


def test_an_id_without_show_is_told_what_to_type():
    result = CliRunner().invoke(app, ["3f9a"])
    assert result.exit_code == 2
    assert "3f9a is not a command; a call is shown by: her-os calls show 3f9a" in " ".join(result.output.split())
    assert "No such command" in CliRunner().invoke(app, ["shw"]).output
