"""Mail: a finished message, and what takes it to a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from her_os.contracts.errors import HerOsError


class MailRefused(HerOsError):
    """The server will not have this mail, now or later."""

    code = "mail_refused"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message as it goes over the wire (RFC 5322 bytes) and its envelope. `id` is its Message-ID."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class MailTransport(Protocol):
    """Takes one mail to its server."""

    async def send(self, mail: Mail) -> None:
        """Return when the server has taken it. Raises SidecarUnavailable (later it may go), MailRefused."""
        ...
