"""How the owner of a call ended, told in the log: whoever looks after calls goes on with the others."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from her_os.contracts.errors import CallEnded

log = logging.getLogger(__name__)


@contextmanager
def outcome_told(call_id: str) -> Generator[None]:
    """Around the owner of one call: its end is a line, its failure a traceback, and neither goes further."""
    try:
        yield
    except CallEnded as error:
        log.info("call %s ended early: %s", call_id, error.message)
    except Exception:
        log.exception("call %s failed", call_id)
