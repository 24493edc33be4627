"""One stage of one recording, in a process of its own: `python -m her_os.daemons.transcript_worker speech|language`.

Started by the batch (see `transcripts.worker_process`). Everything a stage loads goes with the process.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.contracts.transcripts import LanguageRequest, Progress, Result, SpeechRequest, WorkerRequest
from her_os.service.logging import setup_logging
from her_os.service.parent_death import die_with_parent
from her_os.settings import Settings, load_settings
from her_os.settings.positions import located
from her_os.transcripts.worker_main import Tell, serve_one


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one request on the given pipes. Returns the exit status."""
    parser = argparse.ArgumentParser(description="One stage of one recording; started by her-os itself.")
    parser.add_argument("stage", choices=["speech", "language"])
    parser.add_argument("--die-with", type=int, metavar="PID")
    parser.add_argument("--request-fd", type=int, required=True)
    parser.add_argument("--event-fd", type=int, required=True)
    given = parser.parse_args(arguments)
    if given.die_with:
        die_with_parent(given.die_with)
    setup_logging(given.stage, os.environ.get("HER_OS_LOG_LEVEL", "INFO").strip().upper())
    return serve_one(given.request_fd, given.event_fd, handle)


def handle(request: WorkerRequest, tell: Tell) -> Result:
    """Do a request here, in this process. Each stage imports only what it needs."""
    settings = load_settings()
    try:
        if isinstance(request, SpeechRequest):
            return transcribe_file(settings, request, tell)
        return summarise_transcript(settings, request, tell)
    except ConfigError as error:
        raise located(error, settings.source) if error.field else error from error


def transcribe_file(settings: Settings, request: SpeechRequest, tell: Tell) -> Result:
    """The speech stage."""
    from her_os.audio.sound_file import probe, read_channel
    from her_os.daemons.transcript_recogniser import create_diariser, create_recogniser
    from her_os.transcripts.speech import Recording, transcribe

    path = Path(request.source)
    sound = probe(path)
    recording = Recording(
        source=request.source,
        recorded_at=request.call.started_at or path.stat().st_mtime,
        duration_ms=sound.duration_ms,
        channels=sound.channels,
        read=lambda channel: read_channel(sound, channel),
    )
    tell(Progress(step="load"))
    recogniser = create_recogniser(settings)
    recogniser.load()
    diariser = create_diariser(settings)
    if diariser:
        diariser.load()
    made = transcribe(recording, request.call, recogniser, settings.stt.language, tell, diariser)
    return Result(transcript=made)


def summarise_transcript(settings: Settings, request: LanguageRequest, tell: Tell) -> Result:
    """The language stage."""
    from her_os.daemons.transcript_language import summarise

    tell(Progress(step="summarise"))
    return Result(summary=summarise(settings, request, tell))


if __name__ == "__main__":
    sys.exit(main())
