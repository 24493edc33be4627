"""The corners of RFC 4475, in messages of our own, and the RFC's own 49 where their folder is at hand.

The folder is looked for in HER_OS_RFC4475, then beside the checkout; the messages are not ours to commit.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from her_os.telephony.sip.message import SipRequest, SipResponse, parse_message
from her_os.telephony.sip.transactions import TransactionLayer
from her_os.telephony.sip.user_agent import UserAgent
from tests.telephony.sip.agents import FAST, Desk

FOLDER = Path(os.environ.get("HER_OS_RFC4475", Path(__file__).resolve().parents[4] / "shared/data/rfc4475"))
ARCHIVE = sorted(FOLDER.glob("*.dat"))
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def message(method: str = "OPTIONS", *, uri: str = "sip:her@house", body: str = "", **headers: str | None) -> str:
    """A plain request; a keyword replaces its header (`from_` From, `call_id` Call-ID ...), None leaves it out."""
    lines: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKtorture",
        "From": "<sip:caller@house>;tag=1",
        "To": "<sip:her@house>",
        "Call-ID": "torture",
        "CSeq": f"7 {method}",
        "Max-Forwards": "70",
        "Contact": "<sip:caller@192.0.2.9>",
        "Content-Type": "application/sdp" if body else None,
        "Content-Length": str(len(body)),
    }
    known = {name.lower(): name for name in lines}
    for name, value in headers.items():
        key = name.strip("_").replace("_", "-")
        lines[known.get(key, key)] = value
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{method} {uri} SIP/2.0\r\n{head}\r\n{body}"


VALID = {
    "a short tortuous INVITE": "INVITE sip:vivekg@house;unknownparam SIP/2.0\r\nTO :\r\n sip:her@house\r\n"
    'from   : "J Rosenberg \\\\\\""       <sip:j@house>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n'
    "Call-ID: wsinv.ndaksdj@192.0.2.1\r\nCseq: 0009\r\n  INVITE\r\n"
    "v: SIP  / 2.0  / UDP\r\n    192.0.2.9 ; branch = z9hG4bKwsinv\r\n , SIP/2.0/TCP spindle;branch = z9hG4bK30239\r\n"
    's :\r\nNewFangled: with ;odd=punctuation,and "quotes"\r\n'
    'm:"Quoted string \\"\\"" <sip:j@192.0.2.9> ; q=0.5\r\n\r\n',
    "escapes in a user name": message(from_='"t\\"est" <sip:sips%3Auser%40house@192.0.2.9;p=%20>;tag=1'),
    "escapes in a method": message("RE%47IST%45R"),
    "every character of a token": message(
        "!interesting-Method0123456789_*+`.%indeed'~", from_="<sip:a>;tag=_token~1'+`*%!-."
    ),
    "a header unknown to all": message(x_new_fangled="a;b,c;d=<e>"),
    "transports unknown to all": message(
        via="SIP/2.0/UNKNOWN 192.0.2.9;branch=z9hG4bKu, SIP/2.0/SCTP a;branch=z9hG4bKb"
    ),
    "two messages in one datagram": message() + message("INVITE"),
    "a body without its type announced": message("BYE", body="x" * 100, content_type="text/unknown"),
    "a very long header": message(user_agent="x" * 7_000, call_id="i" * 500),
    "no Max-Forwards": message(max_forwards=None),
    "Max-Forwards of zero": message(max_forwards="0"),
    "a reason phrase of UTF-8": message(subject="=?utf-8?q?=C3=A9?= \u03b7"),
    "a branch that is the cookie alone": message(via="SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK"),
    "an RFC 2543 request without branch": message(via="SIP/2.0/UDP 192.0.2.9"),
    "a display name unquoted with a dot": message(from_="Bell, Alexander <sip:a.g.bell@house>;tag=43"),
    "semicolons in the user part": message(uri="sip:user;par=u%40example.net@house"),
    "a date of no calendar": message(date="Fri, 01 Jan 2010 16:00:00 EST"),
    "an unknown Authorization scheme": message(authorization="NoOneKnowsThisScheme opaque-data=here"),
}
INVALID = {
    "Content-Length beyond the datagram": (message(content_length="9999"), 400),
    "a negative Content-Length": (message(content_length="-999"), 400),
    "numbers beyond their fields": (message(cseq="36893488147419103232 OPTIONS"), 400),
    "a quote left open": (message(to='"Mr. J. User <sip:j.user@house>'), 400),
    "angle brackets round the Request-URI": (message(uri="<sip:her@house>"), 400),
    "CSeq of another method": (message(cseq="8 INVITE"), 400),
    "CSeq of another unknown method": (message("NEWMETHOD", cseq="8 INVITE"), 400),
    "an unknown scheme": (message(uri="nobodyKnowsThisScheme:totallyopaque"), 416),
    "a registered scheme that is not for calls": (message(uri="soap.beep://192.0.2.9:3002"), 416),
    "SIP/7.0": (message().replace("SIP/2.0\r\n", "SIP/7.0\r\n", 1), 505),
    "an extension that is required": (message(require="nothingSupportsThis, nothingSupportsThisEither"), 420),
    "two Call-IDs": (message().replace("Max-", "Call-ID: other\r\nMax-"), 400),
    "no From, To, Call-ID or CSeq": (message(from_=None, to=None, call_id=None, cseq=None), 400),
    "an INVITE with a body nobody reads": (message("INVITE", body="x", content_type="application/unknown"), 415),
    "an unknown method": (message("NEWMETHOD"), 501),
    "an unknown method with an escaped known name": (message("RE%47IST%45R"), 501),
    "an INVITE without Contact": (message("INVITE", body=SDP, contact=None), 400),
}
DROPPED = {
    "spaces in the Request-URI": message().replace("sip:her@house SIP", "sip:her@house; lr SIP"),
    "two spaces in the start line": message().replace("OPTIONS sip", "OPTIONS  sip"),
    "a response number of four digits": message().replace(
        "OPTIONS sip:her@house SIP/2.0", "SIP/2.0 4294967301 better not"
    ),
    "a response to nobody": message().replace("OPTIONS sip:her@house SIP/2.0", "SIP/2.0 200 OK"),
    "a response of an unknown class": message().replace("OPTIONS sip:her@house SIP/2.0", "SIP/2.0 699 \u00e9\u00e9"),
    "no Via at all": message(via=None),
    "a header without a colon": message().replace("Max-Forwards: 70", "Max-Forwards 70"),
}


class Answers:
    """A user agent whose datagrams are kept."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.agent = UserAgent(handler=Desk(), timers=FAST)
        self.layer = TransactionLayer(lambda data, _: self.sent.append(data), self.agent, FAST)
        self.agent.signalling.transactions = self.layer

    def to(self, data: str | bytes) -> list[int]:
        """The status of everything that is sent when this arrives."""
        self.layer.receive(data if isinstance(data, bytes) else data.encode(), ("192.0.2.9", 5060))
        found = [parse_message(sent) for sent in self.sent]
        assert all(isinstance(one, SipResponse) for one in found)
        self.layer.close()
        return [one.status for one in found if isinstance(one, SipResponse)]


@pytest.mark.parametrize("case", VALID)
async def test_strange_but_right(case: str) -> None:
    request = parse_message(VALID[case].encode())
    assert isinstance(request, SipRequest)
    assert request.from_.uri
    assert request.to.uri
    assert request.top_via.host == "192.0.2.9"
    statuses = Answers().to(VALID[case])
    assert statuses
    assert not {400, 505, 416} & set(statuses), statuses


@pytest.mark.parametrize("case", INVALID)
async def test_wrong_and_told_so(case: str) -> None:
    text, status = INVALID[case]
    assert Answers().to(text)[-1] == status


@pytest.mark.parametrize("case", DROPPED)
async def test_not_worth_an_answer(case: str) -> None:
    assert Answers().to(DROPPED[case]) == []


async def test_cut_off_anywhere_is_harmless() -> None:
    whole = message("INVITE", body=SDP).encode()
    for length in range(len(whole)):
        assert len(Answers().to(whole[:length])) <= 2


REFUSED = {"badvers": 505, "unkscm": 416, "bext01": 420, "clerr": 400, "ncl": 400, "insuf": 400, "scalar02": 400}
REFUSED |= {"quotbal": 400, "ltgtruri": 400, "mismatch01": 400, "mismatch02": 400, "multi01": 400, "invut": 415}
NO_ANSWER = {"lwsruri", "lwsstart", "bigcode", "scalarlg", "noreason", "unreason", "bcast", "test"}


@pytest.mark.skipif(not ARCHIVE, reason="the messages of RFC 4475 are not here (HER_OS_RFC4475)")
async def test_all_of_the_rfc() -> None:
    assert len(ARCHIVE) >= 49
    for path in ARCHIVE:
        statuses = Answers().to(path.read_bytes())
        if path.stem in REFUSED:
            assert statuses == [REFUSED[path.stem]], path.stem
        elif path.stem in NO_ANSWER:
            assert statuses == [], path.stem
        else:
            assert statuses, path.stem
            assert 505 not in statuses, path.stem
