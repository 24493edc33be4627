"""Our own registration at a PBX or provider: kept alive, moved when a server fails (RFC 3261, section 10.2).

One task for each trunk: `run` ends only when it is cancelled, and takes the registration back then.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from her_os.contracts.errors import HerOsError
from her_os.settings.schema import Trunk
from her_os.telephony.sip.digest import Credentials
from her_os.telephony.sip.errors import CallRefused, RequestTimeout
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address

log = logging.getLogger(__name__)
_FAREWELL_S = 1.0


class TrunkState(StrEnum):
    """REGISTERING -> REGISTERED <-> FAILED (tried again by itself)."""

    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RetryRules:
    """Seconds. `patience` for one server's answer; `retry` after all of them failed, doubled up to `retry_max`."""

    patience_s: float = 8.0
    retry_s: float = 5.0
    retry_max_s: float = 300.0
    prefer_first_after_s: float = 900.0


class TrunkRegistration:
    """Keeps one trunk registered. The user part of our Contact is a secret: only the PBX can have been told it."""

    def __init__(
        self,
        agent: UserAgent,
        trunk: Trunk,
        password: str,
        rules: RetryRules | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.trunk = trunk
        self.credentials = Credentials(trunk.user, password)
        self.contact_user = secrets.token_hex(8)
        self.state = TrunkState.REGISTERING
        self.problem = ""
        self.server = ""
        """The server that has our registration; empty while none has."""
        self.address: Address | None = None
        self._agent, self._rules, self._on_change = agent, rules or RetryRules(), on_change
        self._renew = agent.registrar_client(f"sip:{trunk.domain_name}", self.credentials, self.contact_user)
        self._failed_over_at = 0.0

    async def run(self) -> None:
        """Register, and register again before it expires, until cancelled."""
        wait_s = self._rules.retry_s
        try:
            while True:
                granted_s = await self._register_somewhere()
                if granted_s:
                    wait_s = self._rules.retry_s
                    await asyncio.sleep(renewal_after_s(granted_s))
                else:
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, self._rules.retry_max_s)
        finally:
            await self._take_back()

    def describe(self) -> str:
        """One line for people."""
        where = f" at {self.server}" if self.server else ""
        why = f": {self.problem}" if self.problem else ""
        return f"{self.state}{where}{why}"

    async def _register_somewhere(self) -> int:
        """The seconds granted by the first server that takes us, beginning with the one that has us; 0 for none."""
        for server in self._in_order():
            try:
                async with asyncio.timeout(self._rules.patience_s):
                    address = await self._agent.destination_of(f"sip:{server};transport={self.trunk.transport}")
                    granted_s = await self._renew(address, self.trunk.expires_s)
            except (HerOsError, TimeoutError) as error:
                self._failed(server, error)
                continue
            self._registered(server, address)
            return max(1, granted_s)
        self.server, self.address = "", None
        return 0

    def _in_order(self) -> list[str]:
        """The server that has us, then the others; the preferred one again after a while elsewhere."""
        servers = list(self.trunk.servers)
        now = asyncio.get_running_loop().time()
        if self.server in servers and now - self._failed_over_at < self._rules.prefer_first_after_s:
            servers.sort(key=lambda server: server != self.server)
        return servers

    def _registered(self, server: str, address: Address) -> None:
        if (self.state, self.server) != (TrunkState.REGISTERED, server):
            log.info("trunk %s: registered at %s", self.trunk.name, server)
            self._failed_over_at = asyncio.get_running_loop().time()
        self.state, self.server, self.address, self.problem = TrunkState.REGISTERED, server, address, ""
        self._on_change()

    def _failed(self, server: str, error: Exception) -> None:
        problem = f"{server}: {_what_to_do(error)}"
        if problem != self.problem:
            log.warning("trunk %s: cannot register at %s", self.trunk.name, problem)
        self.state, self.problem = TrunkState.FAILED, problem
        self._on_change()

    async def _take_back(self) -> None:
        if self.address is None or self.state is not TrunkState.REGISTERED:
            return
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._renew(self.address, 0)
        except (HerOsError, TimeoutError):
            log.info("trunk %s: %s did not take our registration back", self.trunk.name, self.server)


def renewal_after_s(granted_s: int) -> float:
    """When to register again: with time left to try another server, but not all the time."""
    return max(0.5 * granted_s, granted_s - 60.0) if granted_s > 40 else 0.5 * granted_s


def _what_to_do(error: Exception) -> str:
    if isinstance(error, TimeoutError | RequestTimeout):
        return "no answer"
    if isinstance(error, CallRefused) and error.status in (401, 403, 407):
        return f"{error.status} {error.phrase}; compare the trunk's `user` and its password in the secrets file"
    if isinstance(error, CallRefused) and error.status == 404:
        return f"{error.status} {error.phrase}; the account is unknown there"
    return str(error)
