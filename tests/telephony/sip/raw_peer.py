"""The far end as plain text on a UDP socket, so that a test can say exactly what is on the wire."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from her_os.telephony.sip.message import SipRequest, SipResponse, parse_message

OFFER = (
    "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 8 9 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class RawPeer(asyncio.DatagramProtocol):
    """Sends text, collects messages."""

    def __init__(self, server_port: int) -> None:
        self.server = ("127.0.0.1", server_port)
        self.inbox: asyncio.Queue[SipRequest | SipResponse] = asyncio.Queue()
        self.seen: list[SipRequest | SipResponse] = []
        self.port = 0
        self.tag, self.call_id = secrets.token_hex(4), secrets.token_hex(8)
        self.to_tag = ""

    async def open(self, host: str = "127.0.0.1") -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.port = self._transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse_message(data)
        self.seen.append(message)
        self.inbox.put_nowait(message)

    def close(self) -> None:
        self._transport.close()

    def send(self, text: str | bytes) -> None:
        self._transport.sendto(text.encode() if isinstance(text, str) else text, self.server)

    def request(
        self, method: str, *, cseq: int = 1, branch: str = "", body: str = "", extra: str = "", uri: str = ""
    ) -> str:
        """A whole request; it goes into the dialog once `to_tag` is known."""
        branch = branch or "z9hG4bK" + secrets.token_hex(6)
        to = "<sip:her@127.0.0.1>" + (f";tag={self.to_tag}" if self.to_tag else "")
        content = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in extra else ""
        return (
            f"{method} {uri or 'sip:her@127.0.0.1'} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}\r\n"
            f'From: "Raw; Peer" <sip:raw@127.0.0.1>;tag={self.tag}\r\nTo: {to}\r\n'
            f"Call-ID: {self.call_id}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:raw@127.0.0.1:{self.port}>\r\n{content}{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def next(self) -> SipRequest | SipResponse:
        async with asyncio.timeout(5):
            return await self.inbox.get()

    async def response(self, status: int) -> SipResponse:
        """The next message, which must be this response; its To tag is taken over.

        On a busy machine we read late, so that an earlier answer was repeated meanwhile: such are skipped.
        """
        message = await self.next()
        while isinstance(message, SipResponse) and message.status != status and self._seen_before(message):
            message = await self.next()
        assert isinstance(message, SipResponse), message
        assert message.status == status, (message.status, list(message.headers))
        if status > 100:
            self.to_tag = message.to.tag or self.to_tag
        return message

    def _seen_before(self, message: SipResponse) -> bool:
        """Whether the same was answered to the same request earlier."""
        earlier = self.seen[: next(at for at, one in enumerate(self.seen) if one is message)]
        return any(one.to_bytes() == message.to_bytes() for one in earlier)

    async def received(self, method: str) -> SipRequest:
        message = await self.next()
        while isinstance(message, SipResponse) and self._seen_before(message):
            message = await self.next()
        assert isinstance(message, SipRequest), message
        assert message.method == method
        return message

    async def received_any(self) -> SipRequest:
        """The next message, which must be a request."""
        message = await self.next()
        assert isinstance(message, SipRequest), message
        return message

    def reply(self, request: SipRequest, status: int, *, extra: str = "", body: str = "") -> None:
        vias = "".join(f"Via: {line}\r\n" for line in request.headers.lines("Via"))
        to = request.headers.get("To") + ("" if request.to.tag else f";tag={self.tag}")
        self.send(
            f"SIP/2.0 {status} Whatever\r\n{vias}From: {request.headers.get('From')}\r\nTo: {to}\r\n"
            f"Call-ID: {request.call_id}\r\nCSeq: {request.headers.get('CSeq')}\r\n"
            f"Contact: <sip:raw@127.0.0.1:{self.port}>\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def quiet(self, seconds: float) -> None:
        """Fail when anything arrives within `seconds`."""
        await asyncio.sleep(seconds)
        assert self.inbox.empty(), self.inbox.get_nowait()


@asynccontextmanager
async def raw_peer(server_port: int, host: str = "127.0.0.1") -> AsyncIterator[RawPeer]:
    peer = RawPeer(server_port)
    await peer.open(host)
    try:
        yield peer
    finally:
        peer.close()
        await asyncio.sleep(0)
