"""Hands a mail to an SMTP server, with STARTTLS or TLS and a password. Implements MailTransport."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import aiosmtplib

from her_os.contracts.errors import ConfigError, SidecarUnavailable
from her_os.contracts.mail import Mail, MailRefused
from her_os.settings import Secrets, Settings
from her_os.settings.schema import Mail as MailSettings

log = logging.getLogger(__name__)

_OWN_NAME = "[127.0.0.1]"
"""What we call ourselves in EHLO (RFC 5321, 4.1.3): the server need not know the machine's name."""
_ROUND_TRIPS = 6
"""The whole exchange may take so many times the timeout of one answer."""


class SmtpClient:
    """One connection for each mail. `password` is sent only over an encrypted one."""

    def __init__(self, settings: MailSettings, password: str, ca_file: str = "") -> None:
        self._settings, self._password = settings, password
        self._context: ssl.SSLContext | None = None
        if settings.security != "none":
            try:
                self._context = ssl.create_default_context(cafile=ca_file or None)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"{ca_file} cannot be used: {error.strerror}", field="mail.ca_file") from error

    async def send(self, mail: Mail) -> None:
        """Raises SidecarUnavailable (a later try may go well), MailRefused."""
        try:
            async with asyncio.timeout(_ROUND_TRIPS * self._settings.timeout_s):
                refused, _ = await self._send(mail)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise self._later(f"the server refuses user or password ({_said(error)})") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._refuse_or_wait(error.recipients)
            raise MailRefused(f"every recipient is refused: {_said(error.recipients[0])}") from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            if error.code >= 500:  # RFC 5321: 5xx is for good
                raise MailRefused(f"the server refuses it ({_said(error)})") from error
            raise self._later(_said(error)) from error
        except TimeoutError as error:  # SMTPTimeoutError is one
            raise self._later(f"no answer within {self._settings.timeout_s:g} s") from error
        except ssl.SSLError as error:
            reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
            raise self._later(f"TLS fails ({reason}); mail.ca_file names an authority to trust") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._later(str(error) or type(error).__name__) from error
        for recipient, answer in refused.items():
            log.warning("%s is refused by the mail server: %s", recipient, answer)

    async def _send(self, mail: Mail) -> tuple[dict[str, aiosmtplib.SMTPResponse], str]:
        settings = self._settings
        return await aiosmtplib.send(
            mail.content,
            sender=mail.sender,
            recipients=list(mail.recipients),
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=self._password if settings.user else None,
            timeout=settings.timeout_s,
            local_hostname=_OWN_NAME,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._context,
        )

    def _refuse_or_wait(self, refusals: list[aiosmtplib.SMTPRecipientRefused]) -> None:
        """A server that greylists says 4xx: that is for now only."""
        temporary = [each for each in refusals if each.code < 500]
        if temporary:
            raise self._later(_said(temporary[0]))

    def _later(self, reason: str) -> SidecarUnavailable:
        return SidecarUnavailable(f"mail server {self._settings.host}:{self._settings.port}", reason)


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {error.message}"


def create_smtp_client(settings: Settings, secrets: Secrets) -> SmtpClient:
    """A client as `mail` says. Raises ConfigError for an authority's file that cannot be used."""
    wishes = settings.mail
    ca_file = str(settings.resolve(Path(wishes.ca_file))) if wishes.ca_file else ""
    return SmtpClient(wishes, secrets.mail_password, ca_file)
