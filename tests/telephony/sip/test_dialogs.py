"""Where requests inside a dialog go, and what they carry (RFC 3261, section 12)."""

from __future__ import annotations

import pytest

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.dialogs import Dialog
from her_os.telephony.sip.message import SipRequest, SipResponse, parse_message

SOURCE = ("198.51.100.1", 40_123)


def invite(vias: int = 1, rport: bool = False, contact: str = "<sip:a@10.0.0.5:5070>", routes: str = "") -> SipRequest:
    via = "Via: SIP/2.0/UDP h;branch=z9hG4bKa" + (";rport" if rport else "") + "\r\n"
    text = (
        f"INVITE sip:her@house SIP/2.0\r\n{via * vias}From: <sip:a@h>;tag=theirs\r\nTo: <sip:her@house>\r\n"
        f"Call-ID: c\r\nCSeq: 5 INVITE\r\n{f'Contact: {contact}' if contact else 'X: y'}\r\n{routes}\r\n"
    )
    message = parse_message(text.encode())
    assert isinstance(message, SipRequest)
    return message


@pytest.mark.parametrize(
    ("request_", "destination"),
    [
        (invite(), ("10.0.0.5", 5070)),
        (invite(rport=True), SOURCE),
        (invite(vias=2, rport=True), ("10.0.0.5", 5070)),
        (invite(contact="<sip:a@phone.example>"), SOURCE),
        (invite(rport=True, routes="Record-Route: <sip:192.0.2.1;lr>\r\n"), ("192.0.2.1", 5060)),
        (invite(routes="Record-Route: <sip:proxy.example;lr>\r\n"), SOURCE),
    ],
)
def test_where_our_requests_go(request_: SipRequest, destination: tuple[str, int]) -> None:
    assert Dialog.of_request(request_, SOURCE, "ours").destination == destination


def test_the_callees_requests() -> None:
    dialog = Dialog.of_request(invite(), SOURCE, "ours")
    bye = dialog.request("BYE", "SIP/2.0/UDP me;branch=z9hG4bKb")
    assert bye.uri == "sip:a@10.0.0.5:5070"
    assert bye.headers.get("From") == "<sip:her@house>;tag=ours"
    assert bye.headers.get("To") == "<sip:a@h>;tag=theirs"
    assert [dialog.request("INFO", "v").cseq[0] for _ in range(2)] == [2, 3]


def test_the_callers_requests_follow_the_routes_backwards() -> None:
    sent = invite()
    text = (
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nRecord-Route: <sip:192.0.2.2;lr>, <sip:192.0.2.1;lr>\r\n"
        "From: <sip:a@h>;tag=theirs\r\nTo: <sip:her@house>;tag=far\r\nContact: <sip:her@10.1.1.1>\r\n"
        "Call-ID: c\r\nCSeq: 5 INVITE\r\n\r\n"
    )
    answer = parse_message(text.encode())
    assert isinstance(answer, SipResponse)
    dialog = Dialog.of_response(sent, answer, SOURCE)
    ack = dialog.acknowledge(5, "v")
    assert dialog.destination == ("192.0.2.1", 5060)
    assert ack.headers.lines("Route") == ["<sip:192.0.2.1;lr>", "<sip:192.0.2.2;lr>"]
    assert (ack.uri, ack.cseq) == ("sip:her@10.1.1.1", (5, "ACK"))
    assert dialog.request("BYE", "v").cseq == (6, "BYE")


def test_a_strict_router_gets_the_old_form() -> None:
    routes = "Record-Route: <sip:192.0.2.1>\r\nRecord-Route: <sip:192.0.2.2;lr>\r\n"
    bye = Dialog.of_request(invite(routes=routes), SOURCE, "ours").request("BYE", "v")
    assert bye.uri == "sip:192.0.2.1"
    assert bye.headers.lines("Route") == ["<sip:192.0.2.2;lr>", "<sip:a@10.0.0.5:5070>"]


def test_an_invite_without_contact() -> None:
    with pytest.raises(ProtocolError):
        Dialog.of_request(invite(contact=""), SOURCE, "ours")
