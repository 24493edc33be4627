"""The parsers and the SIP server under noise, without a socket: nothing raises, nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from her_os.contracts.errors import ProtocolError
from her_os.settings.schema import Phone
from her_os.telephony.rtp import rtcp
from her_os.telephony.rtp.packet import is_rtcp, parse_rtp
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.errors import NotAcceptable
from her_os.telephony.sip.negotiation import Negotiator
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.transactions import TransactionLayer
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer

STRANGER = ("192.0.2.9", 5060)


class ParserTargets:
    """Everything that reads bytes of a stranger. Each target raises only where the product has a fault."""

    def __init__(self, state_dir: Path) -> None:
        server = SipServer(Phone(), AccountStore(state_dir, "her-os"), _never)
        self._answers: list[bytes] = []
        agent = UserAgent(handler=server)
        self.layer = TransactionLayer(lambda data, _: self._answers.append(data), agent, Timers())
        agent.signalling.transactions = self.layer
        self.agent = agent

    def all(self) -> list[Callable[[bytes], None]]:
        """Every target."""
        return [self.sip, self.sdp, self.rtp, self.rtcp]

    def sip(self, data: bytes) -> None:
        """At most one answer to a stranger, no larger than a few of its own datagrams, and no state."""
        self._answers.clear()
        self.layer.receive(data, STRANGER)
        if len(self._answers) > 1 or self.layer.open_transactions or self.agent.calls:
            raise AssertionError("a stranger's datagram left something behind")
        if self._answers and len(self._answers[0]) > len(data) + 2_000:
            raise AssertionError("an answer far larger than the question: we would be an amplifier")

    def sdp(self, data: bytes) -> None:
        """An offer and an answer."""
        for take in (Negotiator("192.0.2.1", 4000, ("G722", "PCMU")).answer, _offered().accept):
            try:
                take(data)
            except (ProtocolError, NotAcceptable):
                continue

    def rtp(self, data: bytes) -> None:
        """A media packet."""
        try:
            parse_rtp(data)
        except ProtocolError:
            return

    def rtcp(self, data: bytes) -> None:
        """A report."""
        is_rtcp(data)
        try:
            rtcp.parse_compound(data)
        except ProtocolError:
            return


def _offered() -> Negotiator:
    negotiator = Negotiator("192.0.2.1", 4000, ("G722", "PCMU"))
    negotiator.offer()
    return negotiator


async def _never(line: SipLine) -> None:
    raise AssertionError("a stranger's call went through")
