"""The session book: tombstones and memories on a clock of the test's own."""

from __future__ import annotations

import pytest

from her_os.contracts.errors import CancelledTurn, ProtocolError
from her_os.daemons.tts_sessions import SessionBook, check_session_id


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_tombstone_lasts_sixty_seconds_from_the_last_cancel() -> None:
    clock = Clock()
    book: SessionBook[str] = SessionBook(clock, 60)
    assert book.cancel("a.1") == []
    clock.now = 59.9
    with pytest.raises(CancelledTurn):
        book.open("a.1", "late")
    book.cancel("a.1")
    clock.now = 119.8
    assert book.is_cancelled("a.1")
    clock.now = 119.9
    book.open("a.1", "new")
    assert book.open_requests == 1


def test_a_cancel_returns_every_open_request_of_its_session_only() -> None:
    book: SessionBook[str] = SessionBook(Clock(), 60)
    book.open("a.1", "one")
    book.open("a.1", "two")
    book.open("a.2", "other turn")
    assert book.cancel("a.1") == ["one", "two"]
    book.open("a.2", "still allowed")
    assert book.open_requests == 4


def test_what_is_closed_is_finished_for_a_while_and_then_unknown() -> None:
    clock = Clock()
    book: SessionBook[str] = SessionBook(clock, 60)
    book.open("a.1", "one")
    assert not book.has_finished("a.1")
    book.close("a.1", "one")
    book.close("a.1", "one")
    assert book.open_requests == 0
    assert book.has_finished("a.1")
    clock.now = 60.0
    assert not book.has_finished("a.1")


def test_nothing_is_kept_for_ever() -> None:
    clock = Clock()
    book: SessionBook[int] = SessionBook(clock, 60)
    for turn in range(1000):
        clock.now += 1
        book.open(f"a.{turn}", turn)
        book.cancel(f"a.{turn}")
        book.close(f"a.{turn}", turn)
    assert len(book._tombstones) <= 61
    assert len(book._finished) <= 61
    assert not book._open


@pytest.mark.parametrize("good", ["a.1", "call-7f3a.12", "1fa2@host.3", "a.b.c.0", "x:1.9999999999"])
def test_session_ids_that_are_taken(good: str) -> None:
    assert check_session_id(good) == good


@pytest.mark.parametrize(
    "bad", ["", "a", "a.", ".1", "a.b", "a b.1", "a/b.1", "a.1\n", "a.-1", "x" * 121 + ".1", "é.1"]
)
def test_session_ids_that_are_refused(bad: str) -> None:
    with pytest.raises(ProtocolError, match=r"CALL\.TURN"):
        check_session_id(bad)
