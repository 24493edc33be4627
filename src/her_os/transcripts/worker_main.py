"""The worker's side of the pipe: one request in, events out, every failure a typed one."""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Callable

import msgspec

from her_os.contracts.errors import HerOsError, is_out_of_memory
from her_os.contracts.transcripts import Failure, Progress, Result, WorkerEvent, WorkerRequest
from her_os.transcripts.framing import read_request, write_message

log = logging.getLogger(__name__)

Tell = Callable[[Progress], None]
Handler = Callable[[WorkerRequest, Tell], Result]
_OUT_OF_MEMORY = "it ran out of memory; raise transcripts.worker_memory_mb, or choose a smaller model"


def serve_one(request_pipe: int, event_pipe: int, handle: Handler) -> int:
    """Read the request, let `handle` do it, write its events. Returns the exit status.

    From here on stdout is stderr, and no child inherits the pipes.
    """
    for pipe in (request_pipe, event_pipe):
        os.set_inheritable(pipe, False)
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), 1)
    last = _last_event(lambda: handle(read_request(request_pipe), lambda event: write_message(event_pipe, event)))
    write_message(event_pipe, last)
    return 0 if isinstance(last, Result) else 1


def _last_event(work: Callable[[], Result]) -> WorkerEvent:
    try:
        result = work()
        peak = resource.getrusage(resource.RUSAGE_SELF)
        return msgspec.structs.replace(result, peak_rss_bytes=peak.ru_maxrss * 1024)
    except HerOsError as error:
        return Failure(code=error.code, message=error.message, retry=error.code == "sidecar_unavailable")
    except Exception as error:
        if is_out_of_memory(error):
            return Failure(code="out_of_memory", message=_OUT_OF_MEMORY)
        log.exception("the worker failed")
        return Failure(code="error", message=f"{type(error).__name__}: {error}", retry=True)
