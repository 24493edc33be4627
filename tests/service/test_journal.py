"""Records as journald takes them."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

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


def test_fields_and_priorities():
    assert call_fields("synthesis of session a1b2.7 failed") == {"CALL_ID": "a1b2", "TURN_ID": "7"}
    assert call_fields("call me sometime") == {}
    assert [priority(level) for level in (50, 40, 30, 20, 10)] == [2, 3, 4, 6, 7]
    assert encode({"A": "b"}) == b"A=b\n"
