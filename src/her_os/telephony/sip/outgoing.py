"""Requests we make outside any dialog: INVITE, REGISTER, OPTIONS (RFC 3261, section 8.1.1)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from her_os.telephony.sip.calls import ALLOW, SDP_TYPE, CallMedia
from her_os.telephony.sip.dialogs import new_tag
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.lexing import int_or_none
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.session_timer import request_headers
from her_os.telephony.sip.signalling import BuildRequest, Signalling
from her_os.telephony.sip.uri import bracketed, format_name_address, parse_uri
from her_os.telephony.sip.via import Address

Pairs = Iterable[tuple[str, str]]


@dataclass
class RequestStart:
    """What every attempt of a request keeps, or counts up."""

    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    cseq: int = 0


class OutgoingRequests:
    """Builds requests of one user agent. Each builder keeps From tag and Call-ID, and counts CSeq up by attempt."""

    def __init__(self, signalling: Signalling, contact_user: str) -> None:
        self._signalling, self._contact_user = signalling, contact_user

    def invite(
        self, target: str, destination: Address, media: CallMedia, credentials: Credentials | None, display_name: str
    ) -> BuildRequest:
        """INVITE with the media's offer."""
        host = parse_uri(target).host if credentials else self._signalling.local_host(destination[0])
        me = self._me(credentials, host)
        headers = [("Allow", ALLOW), *request_headers(self._signalling.timers), ("Content-Type", SDP_TYPE)]
        return self._builder("INVITE", target, target, me, destination, headers, display_name, media.make_offer)

    def registration(self) -> RequestStart:
        """The Call-ID and CSeq of all REGISTERs of one registration."""
        return RequestStart()

    def register(
        self,
        registrar: str,
        destination: Address,
        credentials: Credentials,
        expires_s: int,
        start: RequestStart,
        contact_user: str = "",
    ) -> BuildRequest:
        """REGISTER of our Contact as the account."""
        me = self._me(credentials, parse_uri(registrar).host)
        expires = [("Expires", str(expires_s))]
        return self._builder(
            "REGISTER", registrar, me, me, destination, expires, start=start, contact_user=contact_user
        )

    def options(self, target: str, destination: Address) -> SipRequest:
        """OPTIONS, once."""
        me = self._me(None, self._signalling.local_host(destination[0]))
        return self._builder("OPTIONS", target, target, me, destination, [("Accept", SDP_TYPE)])(())

    def _me(self, credentials: Credentials | None, host: str) -> str:
        return f"sip:{credentials.username if credentials else self._contact_user}@{bracketed(host)}"

    def _builder(
        self,
        method: str,
        uri: str,
        to: str,
        sender: str,
        destination: Address,
        extra: Pairs,
        display_name: str = "",
        make_body: Callable[[], bytes] = bytes,
        *,
        start: RequestStart | None = None,
        contact_user: str = "",
    ) -> BuildRequest:
        counted = start or RequestStart()
        addresses = [
            ("From", format_name_address(sender, display_name, new_tag())),
            ("To", f"<{to}>"),
            ("Call-ID", counted.call_id),
        ]

        def build(more: Pairs) -> SipRequest:
            counted.cseq += 1
            headers = Headers([("Via", self._signalling.via(destination)), ("Max-Forwards", "70")])
            contact = self._signalling.contact(destination, contact_user)
            own = [("CSeq", f"{counted.cseq} {method}"), ("Contact", contact)]
            for name, value in [*addresses, *own, ("User-Agent", "her-os"), *extra, *more]:
                headers.add(name, value)
            return SipRequest(headers=headers, body=make_body(), method=method, uri=uri)

        return build


def granted_expiry(contacts: Iterable[str], own_contact: str, default_s: int) -> int:
    """The seconds that the 200 to a REGISTER grants our Contact; `default_s` where it does not say."""
    for value in contacts:
        expires_s = int_or_none(value.rpartition("expires=")[2].partition(";")[0], 2**32 - 1)
        if own_contact.strip("<>") in value and expires_s is not None:
            return expires_s
    return default_s
