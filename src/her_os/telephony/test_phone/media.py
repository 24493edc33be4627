"""The test phone's side of a call's media: offers every codec asked for, runs one RtpSession."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from her_os.contracts.call_line import LineListener
from her_os.telephony.rtp.session import RtpSession
from her_os.telephony.sip.negotiation import AudioSession, Negotiator


class PhoneMedia:
    """A `CallMedia` (see sip.calls). Media starts with the answer; `on_started` and `on_ended` are told once."""

    def __init__(
        self,
        session: RtpSession,
        host: str,
        codecs: Sequence[str],
        listener: LineListener,
        on_ended: Callable[[str], None],
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self._negotiator = Negotiator(host, session.local_port, codecs)
        self._listener, self._on_ended, self._on_started = listener, on_ended, on_started
        self._started = False

    def make_offer(self) -> bytes:
        return self._negotiator.offer()

    def answer_offer(self, offer: bytes) -> bytes:
        answer, agreed = self._negotiator.answer(offer)
        self._adopt(agreed)
        return answer

    def accept_answer(self, answer: bytes) -> None:
        self._adopt(self._negotiator.accept(answer))

    def on_info(self, content_type: str, body: bytes) -> bool:
        return False

    def on_call_ended(self, reason: str) -> None:
        self._on_ended(reason)

    def _adopt(self, agreed: AudioSession) -> None:
        self.session.configure(
            agreed.remote,
            agreed.codec,
            agreed.payload_type,
            agreed.dtmf_payload_type,
            send=agreed.send,
            receive=agreed.receive,
            ptime_ms=agreed.ptime_ms,
        )
        if not self._started:
            self._started = True
            self._on_started()
            self.session.start(self._listener)
