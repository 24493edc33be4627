"""The server's side of digest authentication: challenge, verify, say what was wrong (RFC 7616, RFC 8760)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.digest import digest_response, ha1, parse_digest
from her_os.telephony.sip.lexing import quote
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.nonces import NonceBook, NonceVerdict
from her_os.telephony.sip.uri import parse_uri

SecretsOf = Callable[[str], Mapping[str, str] | None]
"""HA1 by algorithm of an account, or None for a name nobody has."""


@dataclass(frozen=True, slots=True)
class AuthResult:
    """`username` is set only when the password was right. Otherwise `problem` is for the log."""

    username: str = ""
    stale: bool = False
    problem: str = ""


class DigestAuthenticator:
    """Checks the Authorization of requests against stored HA1 values.

    `algorithms` in the order of the challenges. MD5 alone is the default because phones in use give up at a
    challenge they do not know (baresip 1.0 does); with passwords as long as ours MD5 is no weakness here.
    """

    def __init__(
        self,
        realm: str,
        secrets_of: SecretsOf,
        *,
        algorithms: Sequence[str] = ("MD5",),
        nonces: NonceBook | None = None,
    ) -> None:
        self._realm, self._secrets_of = realm, secrets_of
        self._algorithms = tuple(algorithms)
        self._nonces = nonces or NonceBook()

    def challenges(self, *, stale: bool = False) -> list[tuple[str, str]]:
        """The WWW-Authenticate headers of a 401."""
        nonce = self._nonces.issue()
        tail = ", stale=true" if stale else ""
        return [
            (
                "WWW-Authenticate",
                f'Digest realm={quote(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}',
            )
            for algorithm in self._algorithms
        ]

    def verify(self, request: SipRequest) -> AuthResult:
        """Judge the request's Authorization; of several, the one for our realm counts."""
        for value in request.headers.lines("Authorization"):
            try:
                given = parse_digest(value)
            except ProtocolError as error:
                return AuthResult(problem=error.message)
            if given.get("realm") == self._realm:
                return self._verify(request, given)
        return AuthResult(problem="no credentials")

    def _verify(self, request: SipRequest, given: Mapping[str, str]) -> AuthResult:
        algorithm = given.get("algorithm", "MD5").upper()
        if algorithm not in self._algorithms:
            return AuthResult(problem="an algorithm we did not offer")
        qop = given.get("qop", "").lower()
        if qop not in ("", "auth") or (qop and not (given.get("nc") and given.get("cnonce"))):
            return AuthResult(problem="a quality of protection we did not offer")
        if not _same_target(given.get("uri", ""), request.uri):
            return AuthResult(problem="credentials for another address")
        nonce, nc = given.get("nonce", ""), given.get("nc", "") if qop else ""
        verdict = self._nonces.judge(nonce, nc)
        if verdict is NonceVerdict.FOREIGN:
            return AuthResult(problem="a nonce that is not ours")
        if not self._password_is_right(request.method, algorithm, given, qop):
            return AuthResult(problem="wrong name or password")
        if verdict is NonceVerdict.STALE:
            return AuthResult(stale=True, problem="a nonce that was used or is too old")
        self._nonces.spend(nonce, nc)
        return AuthResult(username=given.get("username", ""))

    def _password_is_right(self, method: str, algorithm: str, given: Mapping[str, str], qop: str) -> bool:
        """Constant time, and the same work for a name that does not exist."""
        stored = self._secrets_of(given.get("username", "")) or {}
        secret = stored.get(algorithm)
        expected = digest_response(
            algorithm,
            secret or ha1(algorithm, "nobody", self._realm, "nothing"),
            method,
            given.get("uri", ""),
            given.get("nonce", ""),
            qop=qop,
            nc=given.get("nc", ""),
            cnonce=given.get("cnonce", ""),
        )
        right = hmac.compare_digest(expected.encode(), given.get("response", "").lower().encode("utf-8", "replace"))
        return right and secret is not None


def _same_target(given: str, requested: str) -> bool:
    """Clients disagree about what of the Request-URI they repeat (sipp leaves the user out); the host must match."""
    if given == requested:
        return True
    try:
        return parse_uri(given).host.lower() == parse_uri(requested).host.lower()
    except ProtocolError:
        return False
