"""Who may call and register: this machine without a password, everyone else with digest and the allowlist."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from her_os.contracts.errors import ConfigError
from her_os.telephony.sip.authenticator import DigestAuthenticator
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.refusal_log import RefusalLog
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
        refusals: RefusalLog | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._allowlist = frozenset(allowlist)
        self._trusted = [ipaddress.ip_network(network) for network in trusted_networks]
        self._refusals = refusals or RefusalLog()

    def check(self, request: SipRequest, source: Address) -> Admitted | Refusal:
        """Judge a request from `source`."""
        if self.is_trusted(source[0]):
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
            self._refusals.tell("account", request.method, source[0], f"{why}; {what_to_do}")
            return Refusal(403, f"{why}; {what_to_do}", phrase=f"Forbidden: {why}")
        challenges = tuple(self._authenticator.challenges(stale=result.stale))
        if "Authorization" not in request.headers:
            return Refusal(401, _ASKS_FOR_ACCOUNT, challenges)
        what_to_do = _WHAT_TO_DO.get(result.problem, "the phone should ask again by itself")
        if not result.stale:
            self._refusals.tell("password", request.method, source[0], f"{result.problem}; {what_to_do}")
        return Refusal(401, f"{result.problem}; {what_to_do}", challenges)

    def is_trusted(self, host: str) -> bool:
        """Whether this address needs no password: this machine's own, as a rule."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)
