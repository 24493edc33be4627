"""The parser takes what phones really send, refuses the rest as ProtocolError, and echoes raw values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.errors import BadRequest
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.message import SipRequest, SipResponse, check_request, parse_message
from her_os.telephony.sip.responses import Refusal, make_response

PLAIN = (
    "OPTIONS sip:her@house.example SIP/2.0\r\n"
    "Via: SIP/2.0/UDP phone.example:5062;branch=z9hG4bKabc\r\n"
    "From: <sip:me@phone.example>;tag=1\r\nTo: <sip:her@house.example>\r\n"
    "Call-ID: c1\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
ODD = (
    "INVITE sip:her@house.example;maddr=x SIP/2.0\r\n"
    "TO :\r\n sip:her@house.example ;   tag    = 1918181833n\r\n"
    'from   : "J Rosenberg \\\\\\"" \t  <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    "MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nCSeq: 0009\r\n  INVITE\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    "s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n"
    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n newvalue ; secondparam ; q = 0.33\r\n'
    "l: 3\r\n\r\nv=0extra"
)


def request(text: str) -> SipRequest:
    message = parse_message(text.encode())
    assert isinstance(message, SipRequest)
    return message


def test_reads_a_plain_request() -> None:
    message = request(PLAIN)
    assert (message.method, message.uri, message.call_id) == ("OPTIONS", "sip:her@house.example", "c1")
    assert message.cseq == (7, "OPTIONS")
    assert message.from_.tag == "1"
    assert message.top_via.branch == "z9hG4bKabc"
    check_request(message)


def test_reads_folds_compact_names_odd_spaces_and_several_vias() -> None:
    message = request(ODD)
    check_request(message)
    assert message.to.tag == "1918181833n"
    assert message.from_.tag == "98asjd8"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.cseq == (9, "INVITE")
    assert [value.split()[0] for value in message.headers.values("Via")] == ["SIP"] * 3
    assert message.top_via.host == "192.0.2.2"
    assert message.contact is not None
    assert message.contact.parameters == {"newparam": "newvalue", "secondparam": "", "q": "0.33"}
    assert message.body == b"v=0"
    assert message.headers.get("subject", "absent") == ""


def test_bare_newlines_and_leading_blank_lines() -> None:
    message = request("\r\n\n" + PLAIN.replace("\r\n", "\n"))
    check_request(message)
    assert message.cseq == (7, "OPTIONS")


@pytest.mark.parametrize("line", ["SIP/2.0 200 OK", "SIP/2.0 100", "SIP/2.0 180  Ça sonne"])
def test_responses(line: str) -> None:
    message = parse_message((line + "\r\n" + PLAIN.split("\r\n", 1)[1]).encode())
    assert isinstance(message, SipResponse)
    assert message.status in (100, 180, 200)


@pytest.mark.parametrize(
    "line",
    [
        "SIP/2.0 4294967301 better not break",
        "SIP/2.0 99 Too low",
        "SIP/2.0 abc OK",
        "SIP/3.0 200 OK",
        "OPTIONS sip:a@b",
        "OPTIONS  sip:a@b  SIP/2.0",
        "OPTIONS sip:a@b; lr SIP/2.0",
        "GET / HTTP/1.1",
        "OPT<IONS sip:a@b SIP/2.0",
        "",
    ],
)
def test_refuses_bad_start_lines(line: str) -> None:
    with pytest.raises(ProtocolError):
        parse_message((line + "\r\n" + PLAIN.split("\r\n", 1)[1]).encode())


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("CSeq: 7 OPTIONS", "CSeq: 7 INVITE", 400),
        ("CSeq: 7 OPTIONS", "CSeq: 36893488147419103232 OPTIONS", 400),
        ("CSeq: 7 OPTIONS", "CSeq: -7 OPTIONS", 400),
        ("CSeq: 7 OPTIONS", "X: 1", 400),
        ("CSeq: 7 OPTIONS", "CSeq:", 400),
        ("Call-ID: c1\r\n", "", 400),
        ("Call-ID: c1", "Call-ID: c1\r\nCall-ID: c2", 400),
        ("Content-Length: 0", "Content-Length: 9999", 400),
        ("Content-Length: 0", "Content-Length: -999", 400),
        ("From: <sip:me@phone.example>;tag=1", 'From: "open <sip:me@phone.example>;tag=1', 400),
        ("To: <sip:her@house.example>", "To: <sip:her@house.example", 400),
        ("sip:her@house.example SIP/2.0", "<sip:her@house.example> SIP/2.0", 400),
        ("sip:her@house.example SIP/2.0", "nobodyKnowsThisScheme:totally SIP/2.0", 416),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
    ],
)
def test_answers_bad_requests_with_the_right_status(old: str, new: str, status: int) -> None:
    message = request(PLAIN.replace(old, new, 1))
    with pytest.raises(BadRequest) as caught:
        check_request(message)
    assert caught.value.status == status
    answer = make_response(message, status, to_tag="t").to_bytes()
    assert answer.startswith(f"SIP/2.0 {status} ".encode())


def test_a_request_without_via_cannot_be_answered() -> None:
    message = request(PLAIN.replace("Via:", "X-Via:"))
    with pytest.raises(ProtocolError) as caught:
        check_request(message)
    assert not isinstance(caught.value, BadRequest)


def test_responses_echo_raw_values() -> None:
    odd_from = '"M\udcfcller, \\"Jo\\"" <sip:jo+x%2B@a;y=1>;tag="we ird=;,";x'
    text = PLAIN.replace("From: <sip:me@phone.example>;tag=1", "From: " + odd_from)
    text = text.replace("From:", "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nFrom:")
    message = parse_message(text.encode("utf-8", "surrogateescape"))
    assert isinstance(message, SipRequest)
    data = make_response(message, 200, to_tag="ours").to_bytes()
    assert b"From: " + odd_from.encode("utf-8", "surrogateescape") + b"\r\n" in data
    assert b"To: <sip:her@house.example>;tag=ours\r\n" in data
    assert b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n" in data
    assert b"Via: SIP/2.0/UDP phone.example:5062;branch=z9hG4bKabc\r\n" in data


def test_a_present_to_tag_stays() -> None:
    message = request(PLAIN.replace("To: <sip:her@house.example>", 'To: "tag=x" <sip:her@house.example>;TAG=old'))
    assert make_response(message, 481, to_tag="new").to.tag == "old"


def test_headers_cannot_be_injected() -> None:
    with pytest.raises(ProtocolError):
        Headers().add("Reason", "x\r\nEvil: 1")
    pairs = dict(Refusal(486, 'all\r\nlines "busy"').header_pairs())
    assert pairs["Reason"] == 'SIP;cause=486;text="all lines \\"busy\\""'


def test_set_keeps_the_place() -> None:
    headers = Headers([("A", "1"), ("l", "5"), ("B", "2")])
    headers.set("Content-Length", "0")
    assert list(headers) == [("A", "1"), ("Content-Length", "0"), ("B", "2")]


def test_sizes_are_bounded() -> None:
    with pytest.raises(ProtocolError):
        parse_message(PLAIN.replace("Call-ID", "X: 1\r\n" * 300 + "Call-ID").encode())
    with pytest.raises(ProtocolError):
        parse_message(PLAIN.replace("c1", "c" * 9000).encode())
    with pytest.raises(ProtocolError):
        parse_message(PLAIN.encode() + b"x" * 70_000)


@given(st.binary(max_size=400))
def test_never_crashes_on_noise(data: bytes) -> None:
    read(data)


@given(st.data())
def test_never_crashes_on_damaged_messages(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([PLAIN, ODD])).encode()
    at = data.draw(st.integers(0, len(original)))
    cut = data.draw(st.integers(0, 20))
    read(original[:at] + data.draw(st.binary(max_size=12)) + original[at + cut :])


def read(data: bytes) -> None:
    """Everything the user agent may do with a message either works or raises ProtocolError."""
    try:
        message = parse_message(data)
        if isinstance(message, SipResponse):
            _ = message.top_via, message.cseq, message.to, message.contact
        else:
            check_request(message)
            again = parse_message(make_response(message, 200, to_tag="t").to_bytes())
            assert again.headers.get("From") == message.headers.get("From")
    except ProtocolError:
        pass
