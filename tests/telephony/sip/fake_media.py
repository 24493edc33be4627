"""A CallMedia that negotiates for real, moves no packet, and remembers what it was told."""

from __future__ import annotations

from her_os.telephony.sip.negotiation import AudioSession, Negotiator


class FakeMedia:
    def __init__(self, codecs: tuple[str, ...] = ("G722", "PCMU", "PCMA"), port: int = 45000) -> None:
        self.negotiator = Negotiator("127.0.0.1", port, codecs)
        self.sessions: list[AudioSession] = []
        self.infos: list[tuple[str, bytes]] = []
        self.ended: list[str] = []
        self.hold = False

    def make_offer(self) -> bytes:
        return self.negotiator.offer(hold=self.hold)

    def answer_offer(self, offer: bytes) -> bytes:
        answer, session = self.negotiator.answer(offer)
        self.sessions.append(session)
        return answer

    def accept_answer(self, answer: bytes) -> None:
        self.sessions.append(self.negotiator.accept(answer))

    def on_info(self, content_type: str, body: bytes) -> bool:
        self.infos.append((content_type, body))
        return content_type == "application/dtmf-relay"

    def on_call_ended(self, reason: str) -> None:
        self.ended.append(reason)
