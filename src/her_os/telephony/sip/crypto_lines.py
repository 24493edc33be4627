"""Keys of protected sound in a session description: `a=crypto:` lines (SDES, RFC 4568; GCM suites: RFC 7714).

Whoever reads the signalling reads the keys, so this is worth what the signalling is worth: use it with TLS.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.telephony.sip.lexing import int_or_none

KEY_BYTES = {
    "AEAD_AES_256_GCM": 44,
    "AEAD_AES_128_GCM": 28,
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
"""Key and salt of the suites we speak, the best first."""
OFFERED = ("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")
MAX_LINES = 16


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One offered or chosen key. `key` is master key and salt; the tag ties an answer to its offer."""

    tag: int
    suite: str
    key: bytes

    def format(self) -> str:
        """The attribute with its line break."""
        return f"a=crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}\r\n"

    def __repr__(self) -> str:
        """Without the key: descriptions of sessions are logged."""
        return f"CryptoLine({self.tag}, {self.suite})"


def parse_crypto_lines(lines: Sequence[str]) -> tuple[CryptoLine, ...]:
    """Those of a media section that we can use; others (unknown suites, key lists, MKI) are left out."""
    found = [_parse(line.removeprefix("a=crypto:")) for line in lines if line.startswith("a=crypto:")]
    return tuple(line for line in found[:MAX_LINES] if line is not None)


def best_of(lines: Sequence[CryptoLine]) -> CryptoLine | None:
    """The line with the suite that we like best."""
    ranks = list(KEY_BYTES)
    return min(lines, key=lambda line: ranks.index(line.suite), default=None)


def new_line(tag: int, suite: str) -> CryptoLine:
    """A line of our own with a fresh key."""
    return CryptoLine(tag, suite, secrets.token_bytes(KEY_BYTES[suite]))


def _parse(text: str) -> CryptoLine | None:
    words = text.split()
    if len(words) < 3 or words[1] not in KEY_BYTES or not words[2].startswith("inline:"):
        return None
    if any(word.upper().startswith("UNENCRYPTED") or word.upper().startswith("UNAUTHENTICATED") for word in words[3:]):
        return None
    tag = int_or_none(words[0], 999_999_999)
    encoded, *more = words[2].removeprefix("inline:").split("|")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    has_mki = any(":" in part for part in more) or ";" in words[2]
    if tag is None or has_mki or len(key) != KEY_BYTES[words[1]]:
        return None
    return CryptoLine(tag, words[1], key)
