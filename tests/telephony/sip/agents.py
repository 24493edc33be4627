"""User agents on loopback with timers short enough for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from her_os.contracts.call_line import CallerInfo
from her_os.telephony.sip.calls import SipCall
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address
from tests.telephony.sip.fake_media import FakeMedia

FAST = Timers(t1=0.02, t2=0.08, t4=0.1)
"""A transaction gives up after 1.28 s."""


class Desk:
    """An AgentHandler that lets every call ring; the test answers."""

    def __init__(self) -> None:
        self.calls: list[SipCall] = []
        self.media: list[FakeMedia] = []
        self.refusal: Refusal | None = None
        self.auto_answer = False

    def authorize(self, request: SipRequest, source: Address) -> CallerInfo | Refusal:
        return self.refusal or CallerInfo(request.from_.uri)

    def on_invite(self, call: SipCall, caller: CallerInfo) -> None:
        media = FakeMedia()
        call.media = media
        self.calls.append(call)
        self.media.append(media)
        call.ring()
        if self.auto_answer:
            self.answer(call)

    def answer(self, call: SipCall) -> None:
        body = call.invite.body
        call.answer(call.media.answer_offer(body) if body else call.media.make_offer(), is_offer=not body)

    def on_register(self, request: SipRequest, source: Address) -> Refusal | list[tuple[str, str]]:
        return []


@asynccontextmanager
async def user_agent(handler: Desk | None = None, timers: Timers = FAST) -> AsyncIterator[UserAgent]:
    agent = UserAgent(handler=handler, timers=timers)
    await agent.start("127.0.0.1", 0)
    try:
        yield agent
    finally:
        await agent.stop(grace_s=0.3)


def uri_of(agent: UserAgent) -> str:
    return f"sip:her@127.0.0.1:{agent.port}"
