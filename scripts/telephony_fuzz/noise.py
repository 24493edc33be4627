"""Datagrams as hostile as a seeded random generator makes them: damaged messages of every protocol, and plain noise."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from her_os.telephony.rtp import rtcp
from her_os.telephony.rtp.packet import RtpPacket, build_rtp

_SIP = (
    "{method} sip:her@house SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK{number}\r\n"
    'From: "N, \\"quoted\\"" <sip:n@house>;tag=1\r\nTo: <sip:her@house>{tag}\r\nCall-ID: n{number}\r\n'
    "CSeq: {number} {method}\r\nMax-Forwards: 70\r\nContact: <sip:n@192.0.2.9>;expires=60\r\n"
    'Authorization: Digest username="n", realm="her-os", nonce="1.2.3", uri="sip:house", response="0", '
    'qop=auth, nc=00000001, cnonce="c"\r\nSession-Expires: 90;refresher=uac\r\nRefer-To: <sip:x@house>\r\n'
    "Supported: timer, replaces\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
)
_RESPONSE = (
    "SIP/2.0 {status} Whatever\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{number};received=127.0.0.1\r\n"
    "From: <sip:her@house>;tag=2\r\nTo: <sip:n@house>;tag=1\r\nCall-ID: n{number}\r\nCSeq: {number} INVITE\r\n"
    'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth,auth-int", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n'
)
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9/127\r\nt=0 0\r\na=sendrecv\r\n"
    "m=audio 4000/2 RTP/AVP 0 8 9 101\r\na=rtpmap:101 telephone-event/8000/1\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
    "m=audio 4002 RTP/SAVP 9\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "|2^20|1:4\r\n"
    "m=video 0 RTP/AVP 31\r\na=rtpmap:9 G722/8000\r\na=inactive\r\n"
)
_METHODS = (
    "INVITE",
    "REGISTER",
    "CANCEL",
    "OPTIONS",
    "BYE",
    "ACK",
    "INFO",
    "REFER",
    "NOTIFY",
    "UPDATE",
    "MESSAGE",
    "X",
)
_PIECES = (b'"', b"<", b">", b";", b",", b"\r\n", b"\r\n\r\n", b" ", b"\0", b"=", b":", b"@", b"[", b"%00", b"*", b"\\")
_LONG = (b"9" * 30, b"-1", b"\xc3\xa9", b"\xff\xfe", b"(" * 200, b"a=rtpmap:" * 20, b"\t" * 500, b"<" * 1000)


class Noise:
    """One seeded stream of datagrams. The same seed makes the same stream."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def sip(self) -> bytes:
        """A damaged request or response."""
        pick = self._random
        number = pick.randrange(1 << 31)
        if pick.random() < 0.15:
            return self.damaged(_RESPONSE.format(status=pick.randrange(90, 720), number=number).encode())
        body = _SDP if pick.random() < 0.5 else ""
        tag = pick.choice(["", ";tag=x", ";tag="])
        method = pick.choice(_METHODS)
        text = _SIP.format(method=method, number=number, tag=tag, length=len(body), body=body)
        return self.damaged(text.encode())

    def sdp(self) -> bytes:
        """A damaged session description."""
        return self.damaged(_SDP.encode())

    def rtp(self) -> bytes:
        """A damaged RTP packet: any version, type, source, extension, padding and length."""
        pick = self._random
        kind, sequence, timestamp, ssrc = (pick.randrange(1 << bits) for bits in (7, 16, 32, 32))
        payload = pick.randbytes(pick.choice([0, 1, 4, 160, 320, 1500, 4000]))
        return self.damaged(build_rtp(RtpPacket(kind, sequence, timestamp, ssrc, payload)))

    def rtcp(self) -> bytes:
        """A damaged compound packet."""
        pick = self._random
        block = rtcp.ReportBlock(*(pick.randrange(1 << bits) for bits in (32, 8, 23, 32, 32, 32, 32)))
        report = rtcp.Report(pick.randrange(1 << 32), (block,) * pick.randrange(4), pick.randrange(1 << 64), 1, 2, 3)
        return self.damaged(rtcp.build_compound(report, "cname", goodbye=pick.random() < 0.5))

    def stun(self) -> bytes:
        """What browsers and NATs send to media ports: a STUN binding request, whole or damaged (RFC 8489)."""
        attributes = self._random.randbytes(self._random.choice([0, 8, 28]))
        header = struct.pack("!HHI12s", 0x0001, len(attributes), 0x2112_A442, self._random.randbytes(12))
        return self.damaged(header + attributes)

    def junk(self) -> bytes:
        """Bytes that mean nothing, empty and huge ones included."""
        return self._random.randbytes(self._random.choice([0, 1, 3, 12, 40, 200, 1400, 9000]))

    def anything(self) -> bytes:
        """One of all of these."""
        kinds: list[Callable[[], bytes]] = [self.sip, self.sdp, self.rtp, self.rtcp, self.stun, self.junk]
        return self._random.choice(kinds)()

    def damaged(self, data: bytes) -> bytes:
        """Truncated, flipped, spliced, doubled, or (one time in ten) as it was."""
        pick = self._random
        for _ in range(pick.choice([0, 1, 1, 1, 2, 2, 3, 5, 8, 1])):
            at = pick.randrange(len(data) + 1)
            match pick.randrange(6):
                case 0:
                    data = data[:at]
                case 1 if data:
                    at = min(at, len(data) - 1)
                    data = data[:at] + bytes([data[at] ^ 1 << pick.randrange(8)]) + data[at + 1 :]
                case 2:
                    data = data[:at] + pick.choice(_PIECES) + data[at + pick.randrange(10) :]
                case 3:
                    data = data[:at] + pick.choice(_LONG) + data[at:]
                case 4:
                    data = data[:at] + data[pick.randrange(len(data) + 1) :][:2000] + data[at:]
                case _:
                    data = data[:at] + pick.randbytes(pick.randrange(8)) + data[at:]
        return data[:60_000]
