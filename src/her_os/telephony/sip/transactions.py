"""The transaction table: brings what arrives on the socket to its transaction (RFC 3261, section 17.1.3 and 17.2.3)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Protocol

from her_os.contracts.errors import ProtocolError
from her_os.telephony.sip.client_transactions import ClientTransaction, InviteClientTransaction
from her_os.telephony.sip.errors import BadRequest
from her_os.telephony.sip.lexing import quote
from her_os.telephony.sip.message import SipRequest, SipResponse, check_request, parse_message, trim_body
from her_os.telephony.sip.responses import make_response
from her_os.telephony.sip.server_transactions import InviteServerTransaction, ServerTransaction
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.via import MAGIC_COOKIE, Address, StreamAddress, reply_address, stamp_via

log = logging.getLogger(__name__)
MAX_SERVER_TRANSACTIONS = 2000
Key = tuple[str, ...]


class TransactionUser(Protocol):
    """Who decides what a request means. Called on the event loop; must not block."""

    def on_request(self, request: SipRequest, source: Address) -> None:
        """A new request, never a repetition: `accept` it or `reply` to it."""
        ...

    def on_ack(self, request: SipRequest) -> None:
        """An ACK of a 2xx answer."""
        ...


def new_branch() -> str:
    """A branch that no other transaction has."""
    return MAGIC_COOKIE + secrets.token_hex(12)


class TransactionLayer:
    """All transactions of one socket."""

    def __init__(self, send: Callable[[bytes, Address], None], user: TransactionUser, timers: Timers) -> None:
        self._send, self._user, self.timers = send, user, timers
        self._servers: dict[Key, ServerTransaction] = {}
        self._clients: dict[Key, ClientTransaction] = {}

    # --- what arrives -------------------------------------------------------------------------

    def receive(self, data: bytes, source: Address) -> None:
        """Take one message. Nothing a peer can send makes this raise."""
        if not data.strip(b"\r\n\0"):
            return
        try:
            message = parse_message(data)
            if isinstance(message, SipResponse):
                trim_body(message)
                self._receive_response(message)
            else:
                self._receive_request(message, source)
        except ProtocolError as error:
            log.debug("dropped a datagram from %s:%d: %s", *source, error.message)
        except Exception:
            log.exception("a datagram from %s:%d could not be handled", *source)

    def _receive_response(self, response: SipResponse) -> None:
        client = self._clients.get((response.top_via.branch, response.cseq[1]))
        if client is not None:
            client.receive(response)

    def _receive_request(self, request: SipRequest, source: Address) -> None:
        vias = request.headers.lines("Via")
        if not vias:
            raise ProtocolError("a request without Via cannot be answered")
        stamped = stamp_via(vias[0], source)
        request.headers.remove("Via")
        for via in (stamped, *vias[1:]):
            request.headers.add("Via", via)
        try:
            check_request(request)
        except BadRequest as error:
            if request.method != "ACK":
                self.reply(request, source, make_response(request, error.status, extra=_warning(error)))
            return
        server = self._servers.get(_server_key(request))
        if request.method == "ACK":
            self._receive_ack(request, server)
        elif server is not None:
            server.repeated()
        else:
            self._user.on_request(request, source)

    def _receive_ack(self, request: SipRequest, server: ServerTransaction | None) -> None:
        """The ACK of a refusal ends here; the ACK of a 2xx belongs to the dialog, whatever its branch."""
        if isinstance(server, InviteServerTransaction) and not server.accepted:
            server.acknowledged()
        else:
            self._user.on_ack(request)

    # --- what we send -------------------------------------------------------------------------

    def accept(self, request: SipRequest, source: Address) -> ServerTransaction:
        """Open the server transaction of a new request. Raises BadRequest(503) when too many are open."""
        if len(self._servers) >= MAX_SERVER_TRANSACTIONS:
            raise BadRequest(503, "too many requests at once")
        key = _server_key(request)
        destination = reply_address(request.top_via, source)
        kind = InviteServerTransaction if request.method == "INVITE" else ServerTransaction
        transaction = kind(
            request,
            source,
            lambda data: self._send(data, destination),
            self.timers,
            lambda: _forget(self._servers, key),
            reliable=isinstance(destination, StreamAddress),
        )
        self._servers[key] = transaction
        return transaction

    def reply(self, request: SipRequest, source: Address, response: SipResponse) -> None:
        """Answer without keeping any state (RFC 3261, section 8.2.7)."""
        self._send(response.to_bytes(), reply_address(request.top_via, source))

    def opened(self, request: SipRequest) -> ServerTransaction | None:
        """The transaction that `accept` opened for this request, while it lasts."""
        return self._servers.get(_server_key(request))

    def pending_invite(self, cancel: SipRequest) -> InviteServerTransaction | None:
        """The INVITE transaction that a CANCEL aims at."""
        found = self._servers.get(_server_key(cancel, method="INVITE"))
        return found if isinstance(found, InviteServerTransaction) else None

    def send_request(
        self,
        request: SipRequest,
        destination: Address,
        on_response: Callable[[SipResponse], None],
        on_timeout: Callable[[], None],
    ) -> ClientTransaction:
        """Send a request whose top Via carries a fresh branch, in a transaction of its own."""
        key = (request.top_via.branch, request.method)
        kind = InviteClientTransaction if request.method == "INVITE" else ClientTransaction
        transaction = kind(
            request,
            lambda data: self._send(data, destination),
            self.timers,
            on_response=on_response,
            on_timeout=on_timeout,
            on_done=lambda: _forget(self._clients, key),
            reliable=isinstance(destination, StreamAddress),
        )
        self._clients[key] = transaction
        transaction.start()
        return transaction

    @property
    def open_transactions(self) -> int:
        """How many transactions have not ended yet."""
        return len(self._servers) + len(self._clients)

    def close(self) -> None:
        """Drop every transaction and its timers; requests still waiting for an answer time out now."""
        for server in list(self._servers.values()):
            server.close()
        for client in list(self._clients.values()):
            client.abort()


def _forget(table: dict[Key, ServerTransaction] | dict[Key, ClientTransaction], key: Key) -> None:
    table.pop(key, None)


def _warning(error: BadRequest) -> list[tuple[str, str]]:
    return [("Warning", f"399 her-os {quote(error.message)}")]


def _server_key(request: SipRequest, method: str = "") -> Key:
    """What makes two requests the same transaction. ACK and CANCEL are looked up under INVITE and themselves."""
    via = request.top_via
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    if via.has_magic_branch:
        return (via.branch, via.host.lower(), str(via.port), method)
    return (request.call_id, str(request.cseq[0]), request.from_.tag, request.uri, via.host.lower(), method)
