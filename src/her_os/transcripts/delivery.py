"""Sends what waits in the outbox; a server that is away is tried again later and later, up to a cap."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from her_os.contracts.errors import HerOsError
from her_os.contracts.mail import Mail, MailRefused, MailTransport
from her_os.transcripts.outbox import Outbox, Waiting

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 3600.0


def pause_after(tries: int) -> float:
    """Seconds until the next try, after `tries` failed ones: doubled each time, up to an hour."""
    return min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE_S)


async def deliver(
    outbox: Outbox, transport: MailTransport, give_up_after_s: float, now: Callable[[], float], *, all_now: bool = False
) -> int:
    """Try every mail that is due, or with `all_now` every one, once each. Returns how many were sent.

    What fails waits for its next try, or is given up with an error in the log when it was posted more than
    `give_up_after_s` ago. Safe to cancel, and to run in several processes. `now` is seconds since 1970.
    """
    sent, tried = 0, set[str]()
    began = math.inf if all_now else now()
    while claimed := await asyncio.to_thread(outbox.claim, began, tried):
        mail, waiting = claimed
        tried.add(mail.id)
        try:
            await transport.send(mail)
        except HerOsError as error:
            await asyncio.to_thread(_failed, outbox, mail, waiting, error, give_up_after_s, now())
        except BaseException:
            outbox.release(mail)
            raise
        else:
            sent += 1
            await asyncio.to_thread(outbox.drop, mail)
    return sent


def _failed(
    outbox: Outbox, mail: Mail, waiting: Waiting, error: HerOsError, give_up_after_s: float, now: float
) -> None:
    if isinstance(error, MailRefused) or now - waiting.posted_at >= give_up_after_s:
        log.error("a mail to %s is given up: %s", ", ".join(mail.recipients), error)
        outbox.drop(mail)
        return
    pause = pause_after(waiting.tries + 1)
    outbox.postpone(mail, now + pause, error.message)
    log.warning("a mail to %s waits in the outbox, next try in %.0f s: %s", ", ".join(mail.recipients), pause, error)
