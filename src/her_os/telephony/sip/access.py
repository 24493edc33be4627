"""Who may call and register: this machine without a password, everyone else with digest and the allowlist."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.contracts.errors import ConfigError
from her_os.telephony.sip.authenticator import DigestAuthenticator
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.responses import Refusal
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
_ASKS_FOR_ACCOUNT = "an account is needed: run `her-os phone add NAME`, then enter its name and password in the phone"
_COMPARE = "compare them with `her-os phone list`; `her-os phone remove NAME` and `add NAME` make a new password"
_WHAT_TO_DO = {
    "wrong name or password": _COMPARE,
    "no credentials": "what the phone sent is for another realm; it must be that of phone.realm",
    "an algorithm we did not offer": "set the phone to MD5 digest, or to choose by itself",
}
"""By what the authenticator found; other problems mend themselves when the phone asks again."""
_QUIET_S = 10.0
_MAX_SOURCES = 1000


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may go on. `account` is empty for a trusted address that showed no password."""

    account: str = ""


class AccessPolicy:
    """`trusted_networks` need no password. `allowlist` empty: every account."""

    def __init__(
        self,
        authenticator: DigestAuthenticator,
        allowlist: Sequence[str] = (),
        trusted_networks: Sequence[str] = LOOPBACK_NETWORKS,
    ) -> None:
        self._authenticator = authenticator
        self._allowlist = frozenset(allowlist)
        self._trusted = [ipaddress.ip_network(network) for network in trusted_networks]
        self._refused: dict[str, tuple[float, int]] = {}

    def check(self, request: SipRequest, source: Address) -> Admitted | Refusal:
        """Judge a request from `source`."""
        if self._is_trusted(source[0]):
            return Admitted()
        try:
            result = self._authenticator.verify(request)
        except ConfigError as error:
            log.error("%s", error.message)  # noqa: TRY400 - the message says what to mend
            return Refusal(503, "the accounts cannot be read")
        if result.username and (not self._allowlist or result.username in self._allowlist):
            return Admitted(result.username)
        if result.username:
            why = f"account {result.username} is not in phone.allowlist"
            what_to_do = "add it there and restart, or empty the list, which lets every account call"
            self._tell(request, source, f"{why}; {what_to_do}")
            return Refusal(403, f"{why}; {what_to_do}", phrase=f"Forbidden: {why}")
        challenges = tuple(self._authenticator.challenges(stale=result.stale))
        if "Authorization" not in request.headers:
            return Refusal(401, _ASKS_FOR_ACCOUNT, challenges)
        what_to_do = _WHAT_TO_DO.get(result.problem, "the phone should ask again by itself")
        if not result.stale:
            self._tell(request, source, f"{result.problem}; {what_to_do}")
        return Refusal(401, f"{result.problem}; {what_to_do}", challenges)

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)

    def _tell(self, request: SipRequest, source: Address, why: str) -> None:
        """One line per source and ten seconds, with a count: a scanner must not fill the journal."""
        now = time.monotonic()
        since, skipped = self._refused.get(source[0], (-_QUIET_S, 0))
        if now - since < _QUIET_S:
            self._refused[source[0]] = (since, skipped + 1)
            return
        if len(self._refused) >= _MAX_SOURCES:
            self._refused.clear()
        self._refused[source[0]] = (now, 0)
        more = f" (and {skipped} more since)" if skipped else ""
        log.warning("refused %s from %s: %s%s", request.method, source[0], why, more)
