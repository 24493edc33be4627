"""Whatever a stranger sends, the server neither raises nor stops answering."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.transactions import TransactionLayer
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer

TEMPLATE = (
    "{method} sip:her@house SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKn\r\n"
    'From: "N" <sip:n@house>;tag=1\r\nTo: <sip:n@house>{tag}\r\nCall-ID: n\r\nCSeq: 1 {method}\r\n'
    "Contact: <sip:n@192.0.2.9>;expires=60\r\n"
    'Authorization: Digest username="n", realm="her-os", nonce="1.2.3", uri="sip:house", response="0", qop=auth, '
    'nc=00000001, cnonce="c"\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=audio 1 RTP/AVP 0\r\n'
)
METHODS = ("INVITE", "REGISTER", "CANCEL", "OPTIONS", "BYE", "ACK", "INFO", "MESSAGE")
PIECES = ('"', "<", ">", ";", ",", "\r\n", " ", "\0", "=", ":", "@", "[", "]", "%", "*", "\\", "9" * 30, "-1", "é", "")


async def _never(line: SipLine) -> None:
    raise AssertionError("a stranger's call went through")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    method=st.sampled_from(METHODS),
    tag=st.sampled_from(["", ";tag=x"]),
    cuts=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 9), st.sampled_from(PIECES)), max_size=4),
)
def test_damaged_requests(tmp_path: Path, method: str, tag: str, cuts: list[tuple[int, int, str]]) -> None:
    text = TEMPLATE.format(method=method, tag=tag)
    for at, length, piece in cuts:
        text = text[:at] + piece + text[at + length :]
    server = SipServer(Phone(), AccountStore(tmp_path, "her-os"), _never)
    sent: list[bytes] = []
    agent = UserAgent(handler=server)
    layer = TransactionLayer(lambda data, _: sent.append(data), agent, Timers())
    agent.signalling.transactions = layer
    layer.receive(text.encode(), ("192.0.2.9", 5060))
    assert len(sent) <= 1
    assert layer.open_transactions == 0, "a stranger's request must leave nothing behind"
