"""What every outgoing request needs: the socket, the transactions, our own addresses, digest answers."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterable

from her_os.contracts.errors import HerOsError, ProtocolError
from her_os.telephony.sip.digest import Credentials, answer_challenge
from her_os.telephony.sip.errors import RequestTimeout
from her_os.telephony.sip.message import SipRequest, SipResponse
from her_os.telephony.sip.stream_transport import StreamTransport
from her_os.telephony.sip.timers import Timers
from her_os.telephony.sip.transactions import TransactionLayer, TransactionUser, new_branch
from her_os.telephony.sip.transport import UdpTransport, explain
from her_os.telephony.sip.uri import bracketed
from her_os.telephony.sip.via import Address, StreamAddress, protocol_of

log = logging.getLogger(__name__)
BuildRequest = Callable[[Iterable[tuple[str, str]]], SipRequest]
"""Makes the next attempt of a request (new branch, next CSeq) with extra headers."""


class Signalling:
    """Our SIP sockets as requests see them. `advertised_host` replaces our address towards peers beyond loopback."""

    def __init__(self, user: TransactionUser, timers: Timers, *, contact_user: str, advertised_host: str = "") -> None:
        self.transport = UdpTransport(self._received)
        self.streams = StreamTransport(self._received)
        self.transactions = TransactionLayer(self.transmit, user, timers)
        self.timers = timers
        self._contact_user, self._advertised_host = contact_user, advertised_host

    def _received(self, data: bytes, source: Address) -> None:
        self.transactions.receive(data, source)

    def local_host(self, peer: str) -> str:
        """Our address in Via, Contact and SDP towards that peer."""
        if self._advertised_host and not _is_loopback(peer):
            return self._advertised_host
        return self.transport.local_host_for(peer)

    def transmit(self, data: bytes, destination: Address) -> None:
        """Send now, by datagram or on the connection to that peer."""
        if isinstance(destination, StreamAddress):
            self.streams.send(data, destination)
        else:
            self.transport.send(data, destination)

    async def listen(self, host: str, port: int, field: str, tls: ssl.SSLContext | None = None) -> None:
        """Take connections, by TLS where a context is given. Raises ConfigError naming the setting `field`."""
        try:
            await self.streams.listen(host, port, tls)
        except OSError as error:
            raise explain(error, host, port, "tcp", field) from error

    async def close(self) -> None:
        """Close every socket. Idempotent."""
        await self.streams.close()
        await self.transport.close()

    def via(self, peer: Address) -> str:
        """A Via of ours towards that peer, with a fresh branch."""
        return f"SIP/2.0/{protocol_of(peer).upper()} {self._reached_at(peer)};branch={new_branch()};rport"

    def contact(self, peer: Address, user: str = "") -> str:
        """Our Contact towards that peer, with another user part where one is given."""
        how = protocol_of(peer)
        parameter = "" if how == "udp" else f";transport={how}"
        return f"<sip:{user or self._contact_user}@{self._reached_at(peer)}{parameter}>"

    def _reached_at(self, peer: Address) -> str:
        port = self.streams.ports.get(protocol_of(peer), self.transport.port)
        return f"{bracketed(self.local_host(peer[0]))}:{port}"

    async def send(self, request: SipRequest, destination: Address) -> SipResponse:
        """Send one request other than INVITE and wait for its final answer. Raises RequestTimeout.

        When the awaiting task is cancelled, the transaction still repeats the request to its end.
        """
        final: asyncio.Future[SipResponse] = asyncio.get_running_loop().create_future()

        def on_response(response: SipResponse) -> None:
            if response.final and not final.done():
                final.set_result(response)

        def on_timeout() -> None:
            if not final.done():
                final.set_exception(RequestTimeout(f"no answer to {request.method} from {destination[0]}"))

        self.transactions.send_request(request, destination, on_response, on_timeout)
        return await final

    def send_and_forget(self, request: SipRequest, destination: Address) -> None:
        """Send one request in a transaction of its own; nobody cares for the answer."""
        self.transactions.send_request(request, destination, lambda _: None, lambda: None)

    async def exchange(
        self, build: BuildRequest, destination: Address, credentials: Credentials | None = None
    ) -> SipResponse:
        """Send a request, answering a digest challenge (and one stale nonce). Raises RequestTimeout."""
        tried = 0
        extra: tuple[tuple[str, str], ...] = ()
        while True:
            request = build(extra)
            response = await self.send(request, destination)
            header = authorization(request, response, credentials, tried=tried)
            if header is None:
                return response
            tried, extra = tried + 1, (header,)


def authorization(
    request: SipRequest, response: SipResponse, credentials: Credentials | None, *, tried: int
) -> tuple[str, str] | None:
    """The header that answers a 401 or 407, or None when there is nothing (more) to try.

    A second challenge is answered only when it says that the nonce was stale; a third never.
    """
    names = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
    if credentials is None or response.status not in names or tried > 1:
        return None
    challenge_name, answer_name = names[response.status]
    try:
        answer = answer_challenge(
            response.headers.lines(challenge_name), request.method, request.uri, credentials, only_stale=tried > 0
        )
    except ProtocolError as error:
        log.warning("cannot answer the challenge: %s", error.message)
        return None
    return (answer_name, answer) if answer else None


async def resolve(host: str, port: int) -> Address:
    """The first address of a host (no SRV records). Raises HerOsError when the name is unknown."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port)
    except OSError as error:
        raise HerOsError(f"cannot find the host {host!r}: {error.strerror or error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    return min(addresses, key=lambda address: ":" in address), port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
