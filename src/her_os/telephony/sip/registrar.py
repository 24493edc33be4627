"""A minimal registrar: where each account's phones can be reached, for as long as they asked (RFC 3261, section 10)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.errors import BadRequest
from her_os.telephony.sip.lexing import bounded_int
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.uri import NameAddress, parse_name_address, parse_uri
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
DEFAULT_EXPIRES_S = 3600
MIN_EXPIRES_S = 30
MAX_EXPIRES_S = 7200
MAX_BINDINGS = 8
MAX_RECORDS = 200


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of an account. `source` is the address its REGISTER came from. `expires_at` on the clock given."""

    contact: str
    source: Address
    expires_at: float
    call_id: str
    cseq: int


class Registrar:
    """Bindings by account name, in memory. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bindings: dict[str, dict[str, Binding]] = {}

    def bindings(self, account: str) -> list[Binding]:
        """Where the account can be reached now, the newest first."""
        now = self._clock()
        alive = {uri: one for uri, one in self._bindings.get(account, {}).items() if one.expires_at > now}
        if alive:
            self._bindings[account] = alive
        else:
            self._bindings.pop(account, None)
        return sorted(alive.values(), key=lambda binding: -binding.expires_at)

    def accounts(self) -> list[str]:
        """Names with at least one phone registered."""
        return sorted(name for name in list(self._bindings) if self.bindings(name))

    def register(self, request: SipRequest, source: Address, account: str) -> Refusal | list[tuple[str, str]]:
        """Carry out a REGISTER that `account` was allowed to make ('' from a trusted address: the name in To).

        Returns the Contact headers of the 200, or a refusal; a refused request changes nothing.
        """
        user = parse_uri(request.to.uri).user
        if account and user.lower() != account:
            return Refusal(403, f"{account} may register itself only")
        name = account or user.lower()
        if not name:
            return Refusal(404, "To names no account")
        contacts = request.headers.values("Contact")
        if contacts == ["*"]:
            return self._clear(request, name)
        try:
            wanted = [self._binding(parse_name_address(text), request, source) for text in contacts]
        except BadRequest as error:
            headers = (("Min-Expires", str(MIN_EXPIRES_S)),) if error.status == 423 else ()
            return Refusal(error.status, error.message, headers)
        return self._update(name, wanted, source)

    def _clear(self, request: SipRequest, name: str) -> Refusal | list[tuple[str, str]]:
        if request.headers.get("Expires").strip() != "0":
            return Refusal(400, "Contact: * needs Expires: 0")
        if self._bindings.pop(name, None):
            log.info("phone %s unregistered", name)
        return []

    def _binding(self, contact: NameAddress, request: SipRequest, source: Address) -> Binding:
        parse_uri(contact.uri)
        text = contact.parameters.get("expires") or request.headers.get("Expires") or str(DEFAULT_EXPIRES_S)
        try:
            expires = min(bounded_int(text, "Expires", 2**32 - 1), MAX_EXPIRES_S)
        except ProtocolError:
            expires = DEFAULT_EXPIRES_S
        if 0 < expires < MIN_EXPIRES_S:
            raise BadRequest(423, f"register for at least {MIN_EXPIRES_S} s")
        expires_at = self._clock() + expires if expires else 0.0
        return Binding(contact.uri, source, expires_at, request.call_id, request.cseq[0])

    def _update(self, name: str, wanted: list[Binding], source: Address) -> Refusal | list[tuple[str, str]]:
        known = {binding.contact: binding for binding in self.bindings(name)}
        before = set(known)
        for binding in wanted:
            old = known.get(binding.contact)
            if old and old.call_id == binding.call_id and binding.cseq <= old.cseq:
                return Refusal(500, "CSeq out of order")
            if binding.expires_at:
                known[binding.contact] = binding
            else:
                known.pop(binding.contact, None)
        if len(known) > MAX_BINDINGS or (name not in self._bindings and len(self._bindings) >= MAX_RECORDS):
            return Refusal(503, "too many phones are registered")
        if set(known) != before:
            what = "registered" if set(known) - before else "unregistered"
            log.info("phone %s %s from %s:%d", name, what, *source)
        if known:
            self._bindings[name] = known
        else:
            self._bindings.pop(name, None)
        now = self._clock()
        return [("Contact", f"<{one.contact}>;expires={max(1, round(one.expires_at - now))}") for one in known.values()]
