"""Whom we may call: the phones registered here, and beyond them only what `phone.dial_allowlist` names.

Whoever can make us dial could run up a bill (toll fraud), so nothing outside is allowed unless the owner says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.contracts.errors import HerOsError, ProtocolError
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.registrar import Registrar
from her_os.telephony.sip.trunks import Trunks
from her_os.telephony.sip.uri import parse_uri
from her_os.telephony.sip.via import Address

_PLAIN = re.compile(r"[A-Za-z0-9:@.;=+_~!$&'()*,%\[\]-]{1,255}\Z")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}\Z")


class DialRefused(HerOsError):
    """We do not call that; `status` is what the API answers."""

    code = "dial_refused"

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Route:
    """How a target is reached. `destination` None: where its URI says."""

    uri: str
    destination: Address | None = None
    credentials: Credentials | None = None


class DialPlan:
    """Finds the way to a target: an account's name, a number (by a trunk), `NUMBER@TRUNK`, or a SIP URI."""

    def __init__(self, registrar: Registrar, trunks: Trunks, allowlist: Sequence[str]) -> None:
        self._registrar, self._trunks = registrar, trunks
        self._allowed = [_pattern(text) for text in allowlist]

    def route(self, target: str) -> Route:
        """The way to `target`. Raises DialRefused: 403 not allowed, 404 unknown, 503 no trunk is up."""
        target = target.strip()
        bindings = self._registrar.bindings(target.lower())
        if bindings:
            return Route(bindings[0].contact, bindings[0].source)
        number, _, trunk = target.partition("@")
        if target.lower().startswith(("sip:", "sips:")):
            return self._outside(target)
        if _NUMBER.match(number):
            return self._number(number, trunk)
        raise DialRefused(f"no phone {target[:60]!r} is registered here; it is no number and no sip: URI either", 404)

    def _outside(self, uri: str) -> Route:
        if not _PLAIN.match(uri):
            raise DialRefused("the URI has characters that no plain SIP URI needs", 400)
        try:
            parsed = parse_uri(uri)
        except ProtocolError as error:
            raise DialRefused(error.message, 400) from error
        for name in self._registrar.accounts():
            for binding in self._registrar.bindings(name):
                if binding.contact == uri:
                    return Route(uri, binding.source)
        self._require_allowed(f"sip:{parsed.user}@{parsed.host.lower()}")
        return Route(uri)

    def _number(self, number: str, trunk: str) -> Route:
        self._require_allowed(number)
        way = self._trunks.way_out(trunk)
        if way is None or way.address is None:
            raise DialRefused(f"no trunk {trunk} is registered, so no number can be called".replace("  ", " "), 503)
        return Route(f"sip:{number}@{way.trunk.domain_name}", way.address, way.credentials)

    def _require_allowed(self, what: str) -> None:
        if not any(pattern.fullmatch(what) for pattern in self._allowed):
            raise DialRefused(
                f"{what} is not in phone.dial_allowlist; nothing beyond the house's phones is called unless it is"
            )


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of the allowlist: `*` stands for any characters, so a number's own star is written `[*]`."""
    parts = re.split(r"(\[\*\]|\*)", text.strip())
    return re.compile("".join(".*" if part == "*" else r"\*" if part == "[*]" else re.escape(part) for part in parts))
