"""Digest access authentication as SIP uses it (RFC 2617, RFC 7616, RFC 8760): the sums, and the client's side."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.lexing import parse_parameters, quote, split_outside

ALGORITHMS = ("SHA-256", "MD5")
"""What we know, strongest first."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account name and its password; never shown in a log."""

    username: str
    password: str = field(repr=False)


def digest_hash(algorithm: str, text: str) -> str:
    """The hash of a UTF-8 text in lower-case hex. Raises ProtocolError for an algorithm we do not know."""
    name = algorithm.upper()
    if name == "MD5":
        return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    if name == "SHA-256":
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    raise ProtocolError(f"digest algorithm {algorithm[:20]!r} is not supported")


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """What a server may store instead of the password."""
    return digest_hash(algorithm, f"{username}:{realm}:{password}")


def digest_response(
    algorithm: str,
    secret: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
) -> str:
    """The `response` value; `secret` is HA1. Without `qop` the older sum of RFC 2069 is made."""
    ha2 = digest_hash(algorithm, f"{method}:{uri}")
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return digest_hash(algorithm, f"{secret}:{middle}:{ha2}")


def parse_digest(value: str) -> dict[str, str]:
    """The parameters of a `Digest ...` challenge or answer, names in lower case. Raises ProtocolError."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise ProtocolError(f"authentication scheme {scheme[:20]!r} is not supported")
    return parse_parameters(split_outside(rest, ","))


def answer_challenge(
    challenges: list[str], method: str, uri: str, credentials: Credentials, *, only_stale: bool = False
) -> str:
    """The Authorization value for the strongest challenge we understand; empty when there is none.

    With `only_stale` a challenge is answered only when it says that nothing but the nonce was wrong.
    Raises ProtocolError for challenges that cannot be read.
    """
    known: dict[str, dict[str, str]] = {}
    for challenge in challenges:
        parameters = parse_digest(challenge)
        known.setdefault(parameters.get("algorithm", "MD5").upper(), parameters)
    algorithm = next((name for name in ALGORITHMS if name in known), "")
    if not algorithm:
        return ""
    parameters = known[algorithm]
    if only_stale and parameters.get("stale", "").lower() != "true":
        return ""
    return _answer(algorithm, parameters, method, uri, credentials)


def _answer(algorithm: str, challenge: dict[str, str], method: str, uri: str, credentials: Credentials) -> str:
    realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
    secret = ha1(algorithm, credentials.username, realm, credentials.password)
    offered = {option.strip().lower() for option in challenge.get("qop", "").split(",") if option.strip()}
    fields = [f"username={quote(credentials.username)}", f"realm={quote(realm)}", f"nonce={quote(nonce)}"]
    fields += [f"uri={quote(uri)}", f"algorithm={algorithm}"]
    if not offered:
        response = digest_response(algorithm, secret, method, uri, nonce)
    elif "auth" in offered:
        cnonce, nc = secrets.token_hex(8), "00000001"
        response = digest_response(algorithm, secret, method, uri, nonce, qop="auth", nc=nc, cnonce=cnonce)
        fields += ["qop=auth", f"nc={nc}", f"cnonce={quote(cnonce)}"]
    else:
        return ""
    fields.append(f'response="{response}"')
    if "opaque" in challenge:
        fields.append(f"opaque={quote(challenge['opaque'])}")
    return "Digest " + ", ".join(fields)
