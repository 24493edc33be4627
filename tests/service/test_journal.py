"""Records as journald takes them."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from her_os.service.call_context import working_for
from her_os.service.journal import JournalHandler, call_fields, encode, priority


def test_a_record_arrives_with_priority_and_call(tmp_path: Path):
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        handler = JournalHandler("phone", address)
        handler.emit(logging.LogRecord("x", logging.ERROR, __file__, 1, "call %s failed\nbadly", ("a1b2c3d4",), None))
        handler.close()
        lines = journal.recv(65536)
    assert b"PRIORITY=3\n" in lines
    assert b"CALL_ID=a1b2c3d4\n" in lines
    assert b"MESSAGE\n\x1a\0\0\0\0\0\0\0call a1b2c3d4 failed\nbadly\n" in lines


def test_without_a_journal_it_goes_to_stderr(tmp_path: Path, capsys):
    handler = JournalHandler("phone", str(tmp_path / "nobody"))
    handler.emit(logging.LogRecord("x", logging.WARNING, __file__, 1, "one\ntwo", (), None))
    handler.close()
    assert capsys.readouterr().err == "<4>one\n<4>two\n"


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("synthesis of session a1b2.7 failed", {"CALL_ID": "a1b2", "TURN_ID": "7"}),
        ("call a1b2c3d4e5f6 ended: goodbye", {"CALL_ID": "a1b2c3d4e5f6"}),
        ("/x/recordings/20261121-101112-a1b2c3d4e5f6.wav: transcribed", {"CALL_ID": "a1b2c3d4e5f6"}),
        ("call me sometime", {}),
        ("turn 3 failed", {}),
    ],
)
def test_what_a_message_says_of_its_call(message: str, fields: dict[str, str]):
    assert call_fields(message) == fields


async def test_a_task_and_those_it_begins_work_for_one_call():
    async def said(message: str) -> dict[str, str]:
        return call_fields(message)

    with working_for("a1b2c3"):
        inside = asyncio.create_task(said("turn 3 cancelled"))
        assert call_fields("tool timer took long") == {"CALL_ID": "a1b2c3"}
        with working_for("a1b2c3.4"):
            assert call_fields("nothing") == {"CALL_ID": "a1b2c3", "TURN_ID": "4"}
    assert await inside == {"CALL_ID": "a1b2c3", "TURN_ID": "3"}
    assert call_fields("turn 3 cancelled") == {}


def test_priorities_and_encoding():
    assert [priority(level) for level in (50, 40, 30, 20, 10)] == [2, 3, 4, 6, 7]
    assert encode({"A": "b"}) == b"A=b\n"
