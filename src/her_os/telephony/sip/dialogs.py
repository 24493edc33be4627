"""A dialog: what two user agents remember of each other between requests (RFC 3261, section 12)."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.headers import Headers
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.uri import parse_name_address
from her_os.telephony.sip.via import Address, StreamAddress


def new_tag() -> str:
    """A From or To tag that nobody can guess."""
    return secrets.token_hex(8)


@dataclass(slots=True)
class Dialog:
    """One side's state. `local` and `remote` are whole From/To values with their tags, raw as they came.

    `destination` is where our requests go: the first route, else the remote target; but the address its messages
    come from for a peer that is connected, that asked for it (`rport`: it may be behind NAT), or whose host is a name.
    """

    call_id: str
    local: str
    remote: str
    local_tag: str
    remote_tag: str
    remote_target: str
    destination: Address
    route_set: list[str] = field(default_factory=list[str])
    local_cseq: int = 0
    remote_cseq: int = -1

    @classmethod
    def of_request(cls, invite: SipRequest, source: Address, local_tag: str) -> Dialog:
        """The callee's side, from the INVITE it received. Raises ProtocolError."""
        contact = invite.contact
        if contact is None:
            raise ProtocolError("an INVITE needs a Contact")
        symmetric = len(invite.headers.values("Via")) == 1 and "rport" in invite.top_via.parameters
        routes = invite.headers.values("Record-Route")
        to = invite.headers.get("To")
        return cls(
            call_id=invite.call_id,
            local=f"{to};tag={local_tag}",
            remote=invite.headers.get("From"),
            local_tag=local_tag,
            remote_tag=invite.from_.tag,
            remote_target=contact.uri,
            destination=source if symmetric and not routes else _destination(routes, contact.uri, source),
            route_set=routes,
            remote_cseq=invite.cseq[0],
        )

    @classmethod
    def of_response(cls, invite: SipRequest, response: SipResponse, destination: Address) -> Dialog:
        """The caller's side, from the answer to its INVITE. Raises ProtocolError."""
        contact = response.contact
        target = contact.uri if contact else invite.uri
        routes = response.headers.values("Record-Route")[::-1]
        return cls(
            call_id=invite.call_id,
            local=invite.headers.get("From"),
            remote=response.headers.get("To"),
            local_tag=invite.from_.tag,
            remote_tag=response.to.tag,
            remote_target=target,
            destination=_destination(routes, target, destination),
            route_set=routes,
            local_cseq=invite.cseq[0],
        )

    def request(self, method: str, via: str, extra: Iterable[tuple[str, str]] = (), body: bytes = b"") -> SipRequest:
        """The next request of our side (an ACK keeps the CSeq number, which `acknowledge` sets)."""
        self.local_cseq += 1
        return self._build(method, self.local_cseq, via, extra, body)

    def acknowledge(self, cseq: int, via: str) -> SipRequest:
        """The ACK of the 2xx that answered our INVITE number `cseq`."""
        return self._build("ACK", cseq, via, (), b"")

    def _build(self, method: str, cseq: int, via: str, extra: Iterable[tuple[str, str]], body: bytes) -> SipRequest:
        uri, routes = self.remote_target, self.route_set
        if routes and "lr" not in parse_name_address(routes[0]).parsed_uri().parameters:
            uri = parse_name_address(routes[0]).uri
            routes = [*routes[1:], f"<{self.remote_target}>"]
        headers = Headers([("Via", via), ("Max-Forwards", "70")])
        for route in routes:
            headers.add("Route", route)
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{cseq} {method}")
        for name, value in extra:
            headers.add(name, value)
        return SipRequest(headers=headers, body=body, method=method, uri=uri)

    def matches(self, request: SipRequest) -> bool:
        """Whether a request of the far end belongs to this dialog."""
        return request.from_.tag == self.remote_tag and request.to.tag == self.local_tag

    def take_cseq(self, request: SipRequest) -> bool:
        """Note the far end's sequence number; False when the request is out of order (answer 500)."""
        number = request.cseq[0]
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh_target(self, contact_uri: str) -> None:
        """A re-INVITE or its answer may move the far end (RFC 3261, section 12.2)."""
        self.remote_target = contact_uri


def _destination(routes: list[str], target: str, fallback: Address) -> Address:
    if isinstance(fallback, StreamAddress):
        return fallback  # on the connection that the call has
    try:
        uri = parse_name_address(routes[0] if routes else f"<{target}>").parsed_uri()
        ipaddress.ip_address(uri.host)
    except (ProtocolError, ValueError):
        return fallback
    return uri.address
