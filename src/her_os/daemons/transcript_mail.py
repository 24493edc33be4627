"""Mail about recordings, put together from the settings: notes results, writes the mail, sends what waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from her_os.contracts.transcripts import BatchObserver, RecordingResult
from her_os.settings import Secrets, Settings
from her_os.transcripts.delivery import deliver
from her_os.transcripts.observers import QuietObserver
from her_os.transcripts.outbox import Outbox
from her_os.transcripts.report_mail import Letterhead, compose

log = logging.getLogger(__name__)


class Postman(BatchObserver, Protocol):
    """A BatchObserver that also tells by mail."""

    async def round(self) -> int:
        """Write the mail about what was noted, and try all that waits once. Returns how many were sent."""
        ...


class NoPostman(QuietObserver):
    """No mail is configured: one line in the log, nothing else."""

    def __init__(self) -> None:
        self._news = False

    def finished(self, result: RecordingResult) -> None:
        """Nobody is told."""
        self._news = True

    async def round(self) -> int:
        """Says once that nobody is told."""
        if self._news:
            log.info("no mail is sent (mail.host is empty)")
        self._news = False
        return 0


class SmtpPostman(QuietObserver):
    """Notes each result as it comes, so that a kill before the batch ends loses none."""

    def __init__(self, settings: Settings, secrets: Secrets, now: Callable[[], float] = time.time) -> None:
        from her_os.clients.smtp_client import create_smtp_client  # a house without mail loads no TLS

        self._outbox, self._now, self._head = open_outbox(settings), now, letterhead(settings)
        self._transport = create_smtp_client(settings, secrets)
        self._give_up_after_s = settings.mail.give_up_after_h * 3600.0

    def finished(self, result: RecordingResult) -> None:
        """Keep it for the mail. What was skipped was told before."""
        if result.status != "skipped":
            self._outbox.note(result)

    async def round(self, *, all_now: bool = False) -> int:
        """Also what an earlier run left; `all_now` does not wait for the next try. What cannot be sent is logged."""
        await asyncio.to_thread(self._write)
        return await deliver(self._outbox, self._transport, self._give_up_after_s, self._now, all_now=all_now)

    def _write(self) -> None:
        results: Sequence[RecordingResult] = self._outbox.untold()
        if results:
            now = self._now()
            mail = compose(results, self._head, datetime.fromtimestamp(now).astimezone())
            self._outbox.post(mail, results, now)


def letterhead(settings: Settings) -> Letterhead:
    """From whom, to whom, and with which files."""
    wishes = settings.mail
    return Letterhead(
        sender=wishes.sender or wishes.user,
        recipients=wishes.recipients,
        attach=tuple(f".{kind}" for kind in wishes.attach),
    )


def open_outbox(settings: Settings) -> Outbox:
    """The outbox of this house."""
    return Outbox(settings.environment.state_dir / "outbox.sqlite3")


def create_postman(settings: Settings, secrets: Secrets) -> Postman:
    """As `mail` says. Raises ConfigError for a certificate file that cannot be read."""
    return SmtpPostman(settings, secrets) if settings.mail.host else NoPostman()
