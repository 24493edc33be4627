"""What a call had said survives kill -9 at any moment, and a damaged log keeps nobody from taking calls."""

from __future__ import annotations

import logging
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from her_os.contracts.call_line import CallerInfo
from her_os.contracts.errors import HerOsError
from her_os.household.call_log import CallLog, find_calls, read_call, read_calls
from tests.household.house import CALLER, turn

ROOT = Path(__file__).resolve().parents[2]


def killed_while_writing(path: Path, turns: int, delay_s: float) -> int:
    """The turns that were in the log for certain when it was killed."""
    command = [sys.executable, "-m", "tests.household.writing_child", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            told = [child.stdout.readline() for _ in range(turns)]
            time.sleep(delay_s)
        finally:
            child.kill()
        told += child.stdout.readlines()
    return max((int(line) for line in told if line.endswith("\n")), default=0)


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_at_any_moment_loses_no_turn_that_was_finished(tmp_path: Path, seed: int) -> None:
    path, chance = tmp_path / "state" / "calls.sqlite3", random.Random(seed)
    certain = killed_while_writing(path, chance.randrange(1, 40), chance.uniform(0, 0.02))
    CallLog(path).close()
    cut, whole = read_call(path, "cut"), read_call(path, "whole")
    assert cut is not None
    assert whole is not None
    numbers = [row["turn"] for row in cut["turns"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= certain
    for row in cut["turns"]:
        assert (row["reply_text"], row["heard_text"]) == (f"answer {row['turn']}",) * 2
    moments = [row["at"] for row in (*cut["turns"], *cut["notes"])]
    assert (cut["outcome"], cut["ended_at"]) == ("crashed", max(moments))
    assert cut["started_at"] <= cut["ended_at"] <= time.time()
    assert (whole["outcome"], whole["codec"]) == ("goodbye", "G722")


def test_a_call_that_was_cut_before_its_first_turn_ended_when_it_began(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    log = CallLog(path)
    log.begin("cut", CALLER, mode="half duplex", recording="")
    log.close()
    CallLog(path).close()
    [call] = read_calls(path)
    assert call["outcome"] == "crashed"
    assert call["ended_at"] == call["started_at"]


@contextmanager
def log_with_calls(path: Path, *calls: str) -> Iterator[CallLog]:
    log = CallLog(path)
    try:
        for call_id in calls:
            record = log.begin(call_id, CALLER, mode="full duplex", recording="")
            record.turn_finished(turn(1))
            record.end("goodbye", "G722")
        yield log
    finally:
        log.close()


def not_a_database(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 500)


def torn_in_the_middle(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = bytes(len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [not_a_database, torn_in_the_middle])
def test_a_damaged_log_is_moved_aside_and_a_new_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "calls.sqlite3"
    with log_with_calls(path, "before"):
        pass
    damage(path)
    damaged = path.read_bytes()
    path.with_name(f"{path.name}-wal").write_bytes(b"")
    with pytest.raises(HerOsError, match=r"calls\.sqlite3 is damaged .*restart her-os"):
        read_calls(path)
    caplog.set_level(logging.ERROR)
    with log_with_calls(path, "after"):
        pass
    assert [call["id"] for call in read_calls(path)] == ["after"]
    [record] = caplog.records
    [aside] = [file for file in tmp_path.glob("calls.sqlite3.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    assert "is damaged (" in record.getMessage()
    assert f"moved to {aside}, a new one is begun" in record.getMessage()
    assert aside.read_bytes() == damaged


def test_the_companions_of_a_damaged_log_go_with_it(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    for name in ("calls.sqlite3", "calls.sqlite3-wal", "calls.sqlite3-shm"):
        (tmp_path / name).write_bytes(b"noise" * 1000)
    CallLog(path).close()
    assert read_calls(path) == []
    aside = sorted(file.name.split("damaged-")[1][15:] for file in tmp_path.glob("*damaged*"))
    assert aside[0] == ""
    assert set(aside) <= {"", "-wal", "-shm"}


def test_a_log_that_cannot_be_opened_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    path.mkdir()
    with pytest.raises(HerOsError, match=r"cannot be opened .*phone\.call_log"):
        CallLog(path)
    with pytest.raises(HerOsError, match="cannot be read"):
        read_calls(path)
    assert path.is_dir()


def test_calls_are_found_by_the_letters_their_id_begins_with(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    with log_with_calls(path, "abc1", "abc", "a_c2", "b"):
        pass
    assert [call["id"] for call in find_calls(path, "abc")] == ["abc", "abc1"]
    assert [call["id"] for call in find_calls(path, "a_")] == ["a_c2"]
    assert find_calls(path, "%") == []
    assert len(find_calls(path, "")) == 4
    assert find_calls(tmp_path / "none", "a") == []


def test_a_record_that_cannot_be_kept_does_not_cost_the_next(tmp_path: Path) -> None:
    log = CallLog(tmp_path / "calls.sqlite3")
    unspeakable = b"M\xfcller".decode("utf-8", "surrogateescape")
    log.begin("a", CallerInfo("sip:x@127.0.0.1", unspeakable), mode="half duplex", recording="")
    log.begin("b", CallerInfo("sip:y@127.0.0.1", "Anna"), mode="half duplex", recording="")
    log.close()
    assert "b" in {call["id"] for call in read_calls(tmp_path / "calls.sqlite3")}
