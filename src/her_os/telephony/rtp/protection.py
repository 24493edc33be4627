"""Sound and its reports, encrypted and authenticated (SRTP, RFC 3711) by libsrtp.

The keys come from offer and answer. Each direction has one thread: the sender protects, the receiver unprotects.
"""

from __future__ import annotations

from dataclasses import dataclass

import pylibsrtp

from her_os.contracts.errors import ProtocolError

_PROFILES = {
    "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


@dataclass(frozen=True, slots=True)
class MediaKeys:
    """What offer and answer settled: the suite's name and both master keys with their salts."""

    suite: str
    ours: bytes
    theirs: bytes

    def __repr__(self) -> str:
        """Without the keys."""
        return f"MediaKeys({self.suite})"


class MediaProtection:
    """Both directions of one call. All methods raise ProtocolError for what cannot be protected or is not genuine."""

    def __init__(self, keys: MediaKeys) -> None:
        self.keys = keys
        profile = _PROFILES[keys.suite]
        self._out = pylibsrtp.Session(
            pylibsrtp.Policy(keys.ours, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        )
        self._in = pylibsrtp.Session(
            pylibsrtp.Policy(keys.theirs, pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        )

    def protect(self, packet: bytes, *, is_rtcp: bool) -> bytes:
        """A packet as it may leave. Sender's thread only."""
        try:
            return self._out.protect_rtcp(packet) if is_rtcp else self._out.protect(packet)
        except (pylibsrtp.Error, TypeError) as error:
            raise ProtocolError(f"a packet could not be protected: {error}") from error

    def unprotect(self, data: bytes, *, is_rtcp: bool) -> bytes:
        """What the peer protected; each packet once. Receiver's thread only."""
        try:
            return self._in.unprotect_rtcp(data) if is_rtcp else self._in.unprotect(data)
        except (pylibsrtp.Error, TypeError) as error:
            raise ProtocolError(f"a packet is not genuine: {error}") from error
