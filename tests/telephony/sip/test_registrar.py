"""Bindings: added, refreshed, expired, removed, bounded; and who may touch whose."""

from __future__ import annotations

import pytest

from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.registrar import MAX_BINDINGS, MIN_EXPIRES_S, Registrar
from her_os.telephony.sip.responses import Refusal

SOURCE = ("192.0.2.9", 5060)


class Desk:
    def __init__(self) -> None:
        self.now = 0.0
        self.registrar = Registrar(clock=lambda: self.now)
        self.cseq = 0

    def register(
        self, *contacts: str, expires: str = "", to: str = "kitchen", account: str = "kitchen", call_id: str = "c"
    ) -> Refusal | list[tuple[str, str]]:
        self.cseq += 1
        headers = Headers([("To", f"<sip:{to}@house>"), ("From", f"<sip:{to}@house>;tag=1"), ("Call-ID", call_id)])
        headers.add("CSeq", f"{self.cseq} REGISTER")
        for contact in contacts:
            headers.add("Contact", contact)
        if expires:
            headers.add("Expires", expires)
        return self.registrar.register(SipRequest(headers=headers, method="REGISTER", uri="sip:house"), SOURCE, account)

    @property
    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.registrar.bindings("kitchen")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def status(outcome: Refusal | list[tuple[str, str]]) -> int:
    return outcome.status if isinstance(outcome, Refusal) else 200


def test_register_refresh_expire(desk: Desk) -> None:
    assert desk.register("<sip:k@192.0.2.9:5060>", expires="60") == [("Contact", "<sip:k@192.0.2.9:5060>;expires=60")]
    desk.now = 50
    desk.register("<sip:k@192.0.2.9:5060>", expires="60")
    desk.now = 100
    assert desk.contacts == ["sip:k@192.0.2.9:5060"]
    assert desk.registrar.accounts() == ["kitchen"]
    desk.now = 111
    assert desk.contacts == []
    assert desk.registrar.accounts() == []


def test_the_contact_parameter_wins_and_long_times_are_cut(desk: Desk) -> None:
    assert desk.register("<sip:k@h>;expires=99999", expires="60") == [("Contact", "<sip:k@h>;expires=7200")]
    assert desk.register("<sip:k@h>", expires="junk") == [("Contact", "<sip:k@h>;expires=3600")]


def test_too_brief(desk: Desk) -> None:
    outcome = desk.register("<sip:k@h>", expires=str(MIN_EXPIRES_S - 1))
    assert isinstance(outcome, Refusal)
    assert (outcome.status, outcome.headers) == (423, (("Min-Expires", str(MIN_EXPIRES_S)),))


def test_remove_one_and_all(desk: Desk) -> None:
    desk.register("<sip:k@h>", "<sip:k@i>")
    assert len(desk.contacts) == 2
    desk.register("<sip:k@h>;expires=0")
    assert desk.contacts == ["sip:k@i"]
    assert status(desk.register("*", expires="5")) == 400
    assert desk.register("*", expires="0") == []
    assert desk.contacts == []


def test_asking_changes_nothing(desk: Desk) -> None:
    desk.register("<sip:k@h>", expires="100")
    assert desk.register() == [("Contact", "<sip:k@h>;expires=100")]


def test_an_old_request_changes_nothing(desk: Desk) -> None:
    desk.register("<sip:k@h>")
    desk.cseq = 0
    assert status(desk.register("<sip:k@h>;expires=0")) == 500
    assert desk.contacts == ["sip:k@h"]


def test_an_account_registers_itself_only(desk: Desk) -> None:
    assert status(desk.register("<sip:k@h>", to="hall")) == 403
    assert status(desk.register("<sip:k@h>", to="Kitchen")) == 200
    assert status(desk.register("<sip:k@h>", to="anyone", account="")) == 200
    assert status(desk.register("<sip:k@h>", to="", account="")) == 404


def test_bounded(desk: Desk) -> None:
    for number in range(MAX_BINDINGS):
        assert status(desk.register(f"<sip:k@h{number}>")) == 200
    assert status(desk.register("<sip:k@more>")) == 503
    assert len(desk.contacts) == MAX_BINDINGS
