"""The process that holds a recogniser for a daemon: `python -m her_os.engines.speech_worker SECTION --socket N`.

It never imports torch, not even where it is installed. One request at a time, until the socket is closed; a request
that fails is refused and the next one served. Protocol: `contracts/speech_worker.py`.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from her_os.contracts.errors import ConfigError, HerOsError, is_out_of_memory
from her_os.contracts.speech_worker import (
    OUT_OF_MEMORY,
    Inspect,
    Inspected,
    Loaded,
    Recognised,
    Refused,
    WorkerAnswer,
    WorkerRequest,
)
from her_os.contracts.transcripts import RecordingRecogniser
from her_os.service.frame_socket import FrameSocket
from her_os.service.logging import setup_logging
from her_os.service.parent_death import die_with_parent
from her_os.service.refused_imports import refuse_imports

log = logging.getLogger(__name__)
SECTIONS = ("stt", "stt_batch")
_decode = msgspec.json.Decoder(WorkerRequest).decode
_encode = msgspec.json.Encoder().encode


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the socket is closed. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Holds a recogniser; started by her-os itself.")
    parser.add_argument("section", choices=SECTIONS, help="of the configuration, which is read anew here")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--die-with", type=int, required=True, metavar="PID")
    given = parser.parse_args(arguments)
    die_with_parent(given.die_with)
    refuse_imports("torch", "torchaudio")
    setup_logging(f"{given.section.replace('_', '-')}-worker", os.environ.get("HER_OS_LOG_LEVEL", "INFO").upper())
    os.dup2(sys.stderr.fileno(), 1)  # what a library prints belongs into the log
    return serve(FrameSocket.inherited(given.socket), lambda: load_recogniser(given.section))


def load_recogniser(section: str) -> RecordingRecogniser:
    """As the configuration says now. Raises ConfigError, EngineError."""
    from her_os.engines.recogniser_wishes import RecogniserWishes
    from her_os.engines.transcript_engines import create_recogniser
    from her_os.settings import load_settings

    recogniser = create_recogniser(RecogniserWishes.of(load_settings(), "stt" if section == "stt" else "stt_batch"))
    recogniser.load()
    return recogniser


def serve(frames: FrameSocket, load: Callable[[], RecordingRecogniser]) -> int:
    """Load, then answer request after request. Returns the exit status."""
    began = time.monotonic()
    try:
        recogniser = load()
    except Exception as error:  # noqa: BLE001 - whatever it is, the daemon shall hear of it
        frames.send(_encode(_refused(error)))
        return 1
    frames.send(_encode(Loaded(engine=recogniser.name, load_ms=round((time.monotonic() - began) * 1000))))
    while frame := frames.receive():
        header, payload = frame
        try:
            answer = answer_to(_decode(header), payload, recogniser)
        except Exception as error:  # noqa: BLE001 - one bad request does not end us
            answer = _refused(error)
        frames.send(_encode(answer))
    return 0


def answer_to(request: WorkerRequest, pcm: bytes, recogniser: RecordingRecogniser) -> WorkerAnswer:
    """Do what is asked. Raises whatever goes wrong."""
    if isinstance(request, Inspect):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Inspected(modules=tuple(sorted(sys.modules)), peak_rss_bytes=peak)
    return Recognised(finals=tuple(recogniser.recognise([pcm], request.language, lambda _done_ms: None)))


def _refused(error: Exception) -> Refused:
    if isinstance(error, ConfigError):
        return Refused(code=error.code, message=error.complaint, field=error.field, file=error.file)
    if isinstance(error, HerOsError):
        return Refused(code=error.code, message=error.message)
    if is_out_of_memory(error):
        return Refused(code=OUT_OF_MEMORY, message="the recogniser ran out of memory; raise worker_memory_mb")
    log.error("the recogniser failed", exc_info=error)
    return Refused(code="recognition", message=f"the recogniser failed: {type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
