"""A small PBX of our own making: a registrar with digest in any algorithm, which can also call those it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from her_os.contracts.call_line import CallerInfo
from her_os.telephony.sip.authenticator import DigestAuthenticator
from her_os.telephony.sip.digest import ALGORITHMS, ha1
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.registrar import Registrar
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address
from tests.telephony.sip.agents import FAST, Desk

USER, PASSWORD = "her", "a-password-of-the-pbx"


class Pbx(Desk):
    """An AgentHandler. `registers` counts the REGISTERs that were right; `grant_s` shortens what it grants."""

    def __init__(self, algorithms: Sequence[str] = ("MD5",), qop: str = "auth", grant_s: int = 0) -> None:
        super().__init__()
        self.auto_answer = True
        self.registrar = Registrar()
        self.registers: list[SipRequest] = []
        self.grant_s = grant_s
        known = {USER: {name: ha1(name, USER, "pbx", PASSWORD) for name in ALGORITHMS}}
        self._authenticator = DigestAuthenticator("pbx", known.get, algorithms=algorithms)
        self._qop = qop
        self.agent = UserAgent(handler=self, timers=FAST, contact_user="pbx")

    def _challenge(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, value.replace('"auth"', f'"{self._qop}"')) for name, value in self._authenticator.challenges()
        )

    def authorize(self, request: SipRequest, source: Address) -> CallerInfo | Refusal:
        result = self._authenticator.verify(request)
        return CallerInfo(request.from_.uri) if result.username else Refusal(401, headers=self._challenge())

    def on_register(self, request: SipRequest, source: Address) -> Refusal | list[tuple[str, str]]:
        result = self._authenticator.verify(request)
        if not result.username:
            return Refusal(401, headers=self._challenge())
        self.registers.append(request)
        outcome = self.registrar.register(request, source, result.username)
        if self.grant_s and isinstance(outcome, list):
            return [(name, f"{value.rpartition('=')[0]}={self.grant_s}") for name, value in outcome]
        return outcome

    @property
    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.registrar.bindings(USER)]


@asynccontextmanager
async def running(pbx: Pbx) -> AsyncIterator[Pbx]:
    await pbx.agent.start("127.0.0.1", 0)
    try:
        yield pbx
    finally:
        await pbx.agent.stop(grace_s=0.3)
