"""All trunks of the house: their registrations, which calls come by them, and how to call out through them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from her_os.contracts.errors import ConfigError
from her_os.settings.schema import Trunk
from her_os.telephony.sip.message import SipRequest
from her_os.telephony.sip.registration import RetryRules, TrunkRegistration, TrunkState
from her_os.telephony.sip.uri import parse_uri
from her_os.telephony.sip.user_agent import UserAgent
from her_os.telephony.sip.via import Address


class Trunks:
    """Owns one task for each trunk. `start`, then `stop`."""

    def __init__(
        self,
        agent: UserAgent,
        trunks: Sequence[Trunk],
        passwords: Mapping[str, str],
        rules: RetryRules | None = None,
    ) -> None:
        for trunk in trunks:
            if not passwords.get(trunk.name):
                raise ConfigError(
                    f"trunk {trunk.name} has no password; put {trunk.secret_name}=... into the secrets file",
                    field="phone.trunks",
                )
        self.registrations = [TrunkRegistration(agent, one, passwords[one.name], rules) for one in trunks]
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Register all, and keep them so."""
        for one in self.registrations:
            self._tasks.add(asyncio.create_task(one.run(), name=f"trunk {one.trunk.name}"))

    async def stop(self) -> None:
        """Take every registration back. Idempotent."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()

    def of_call(self, request: SipRequest, source: Address) -> TrunkRegistration | None:
        """The trunk that an INVITE comes by: from the server we are registered at, for the Contact we told it alone."""
        user = parse_uri(request.uri).user if request.uri.lower().startswith("sip") else ""
        for one in self.registrations:
            if one.address is not None and user == one.contact_user and source[0] == one.address[0]:
                return one
        return None

    def way_out(self, name: str = "") -> TrunkRegistration | None:
        """The trunk of that name (the first, where none is named) that is registered now."""
        for one in self.registrations:
            if name in ("", one.trunk.name) and one.state is TrunkState.REGISTERED:
                return one
        return None

    def describe(self) -> dict[str, str]:
        """The state of each, by name."""
        return {one.trunk.name: one.describe() for one in self.registrations}
