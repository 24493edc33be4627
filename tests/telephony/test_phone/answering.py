"""A small assistant to call: answers, says a sentence, reacts to speech, and can be put on hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from her_os.audio.pcm import level_dbfs
from her_os.contracts.audio import InboundFrame
from her_os.contracts.call_line import CallerInfo
from her_os.telephony.rtp.ports import PortPool
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.sip.calls import SipCall
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.test_phone.media import PhoneMedia
from tests.telephony.signals import babble


class Answerer:
    """Greets; each time the caller has spoken and is silent again it answers; speech over its answer flushes it."""

    def __init__(self, greeting: bytes, answer: bytes, *, refuse: int = 0) -> None:
        self.greeting, self.answer, self._refuse = greeting, answer, refuse
        self.agent = UserAgent(handler=self, contact_user="her")
        self.call: SipCall | None = None
        self.session: RtpSession | None = None
        self.heard: list[InboundFrame] = []
        self.digits = ""
        self.played: list[tuple[int, int]] = []
        self.ended = asyncio.Event()
        self._turn = 0
        self._voiced = self._quiet = 0

    @property
    def uri(self) -> str:
        return f"sip:her@127.0.0.1:{self.agent.port}"

    def authorize(self, request: SipRequest, source: tuple[str, int]) -> CallerInfo | Refusal:
        return Refusal(self._refuse) if self._refuse else CallerInfo("sip:test@127.0.0.1")

    def on_register(self, request: SipRequest, source: tuple[str, int]) -> Refusal | list[tuple[str, str]]:
        return Refusal(405)

    def on_invite(self, call: SipCall, caller: CallerInfo) -> None:
        self.session = RtpSession("127.0.0.1", PortPool(40_000, 40_999), call_id="answerer")
        media = PhoneMedia(self.session, "127.0.0.1", ("G722", "PCMU", "PCMA"), self, self._ended)
        call.media, self.call = media, call
        call.answer(media.answer_offer(call.invite.body))
        self.speak(self.greeting)

    def speak(self, pcm: bytes) -> None:
        assert self.session is not None
        self._turn += 1
        if pcm:
            self.session.playout.write(self._turn, 0, pcm)
        self.session.playout.finish(self._turn, 0)

    def on_arrival(self, frame: InboundFrame) -> None:
        voiced = level_dbfs(frame.pcm) > -45
        if voiced and self.session is not None and self.session.playout.buffered_samples:
            self.session.playout.flush(self._turn)
        self._voiced += voiced

    def on_frame(self, frame: InboundFrame) -> None:
        self.heard.append(frame)
        self._quiet = 0 if level_dbfs(frame.pcm) > -45 else self._quiet + 1
        if self._voiced > 5 and self._quiet == 15:
            self._voiced = 0
            self.speak(self.answer)

    def on_chunk_played(self, turn: int, chunk: int) -> None:
        self.played.append((turn, chunk))

    def on_dtmf(self, digit: str) -> None:
        self.digits += digit

    def on_hold(self, held: bool) -> None: ...

    def on_ended(self, reason: str) -> None: ...

    def _ended(self, reason: str) -> None:
        if self.session is not None:
            self.session.stop()
        self.ended.set()


@asynccontextmanager
async def answering(
    greeting: bytes | None = None, answer: bytes | None = None, *, refuse: int = 0
) -> AsyncIterator[Answerer]:
    """An Answerer that listens on loopback for as long as the context lasts."""
    greeting = babble(0.4, seed=5) if greeting is None else greeting
    answerer = Answerer(greeting, babble(2.0, seed=6) if answer is None else answer, refuse=refuse)
    await answerer.agent.start("127.0.0.1")
    try:
        yield answerer
    finally:
        await answerer.agent.stop()
        if answerer.session is not None:
            answerer.session.stop()
