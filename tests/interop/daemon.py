"""The far end of every interop test: our SIP server with a daemon that plays, listens and remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from her_os.contracts.call_line import CallerInfo
from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import SipServer
from tests.fakes.listener import Listener

TRUSTED, NOBODY = ("127.0.0.0/8",), ()


class Daemon:
    """`speech` (16 kHz PCM) is played to every caller; with `answers` False it only rings."""

    def __init__(self, speech: bytes = b"", *, answers: bool = True) -> None:
        self.lines: list[SipLine] = []
        self.ears: list[Listener] = []
        self.ended: list[str] = []
        self.refusal: Refusal | None = None
        self._speech, self._answers = speech, answers

    async def on_call(self, line: SipLine) -> None:
        ear = Listener()
        self.lines.append(line)
        self.ears.append(ear)
        if self._answers:
            await line.answer()
            line.start(ear)
            line.playout.write(1, 0, self._speech)
            line.playout.finish(1, 0)
        self.ended.append(await line.wait_ended())

    def admit(self, caller: CallerInfo) -> Refusal | None:
        return self.refusal

    @asynccontextmanager
    async def serving(self, state_dir: Path, *, trusted: Sequence[str] = TRUSTED) -> AsyncIterator[SipServer]:
        phone = Phone(sip_host="127.0.0.1", sip_port=0, rtp_port_min=40_000, rtp_port_max=49_999)
        accounts = AccountStore(state_dir, phone.realm)
        server = SipServer(phone, accounts, self.on_call, self.admit, trusted_networks=trusted)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
