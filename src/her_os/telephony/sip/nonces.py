"""Server nonces: ours, not too old, and each count used once (RFC 7616, section 5.4). No state until one is used."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum

MAX_REMEMBERED = 10_000


class NonceVerdict(StrEnum):
    """`STALE`: right in all but age or count, so a client may try again with the new nonce unasked."""

    FRESH = "fresh"
    STALE = "stale"
    FOREIGN = "foreign"


class NonceBook:
    """Makes nonces and judges those that come back. `clock` gives seconds."""

    def __init__(self, lifetime_s: float = 300.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s, self._clock = lifetime_s, clock
        self._key = secrets.token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()

    def issue(self) -> str:
        """A new nonce: its birth, a random part, and our signature over both."""
        text = f"{int(self._clock() * 1000):x}.{secrets.token_hex(8)}"
        return f"{text}.{self._sign(text)}"

    def judge(self, nonce: str, nc: str) -> NonceVerdict:
        """Whether `nonce` may be used with the count `nc` (hex; empty for a client without qop, which has one use).

        Does not use it up: `spend` does, once the response is known to be right.
        """
        text, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(text).encode()):
            return NonceVerdict.FOREIGN
        born = int(text.partition(".")[0], 16) / 1000
        if self._clock() - born > self._lifetime_s:
            return NonceVerdict.STALE
        count = _count(nc)
        if count is None:
            return NonceVerdict.FOREIGN
        return NonceVerdict.FRESH if count > self._counts.get(nonce, 0) else NonceVerdict.STALE

    def spend(self, nonce: str, nc: str) -> None:
        """Refuse this count, and all below it, from now on."""
        self._counts[nonce] = _count(nc) or 1
        self._counts.move_to_end(nonce)
        while len(self._counts) > MAX_REMEMBERED:
            self._counts.popitem(last=False)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), "sha256").hexdigest()[:32]


def _count(nc: str) -> int | None:
    if not nc:
        return 1
    if len(nc) != 8 or any(character not in "0123456789abcdefABCDEF" for character in nc):
        return None
    return int(nc, 16)
