"""A worker program that misbehaves as its first argument says. Run as a process."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from her_os.contracts.errors import RecognitionError
from her_os.contracts.transcripts import Progress, Result, SpeechRequest, Transcript, WorkerRequest
from her_os.transcripts.worker_main import Tell, serve_one


def transcript_of(source: str) -> Transcript:
    return Transcript(
        source=source, recorded_at=0, duration_ms=1000, language="en", engine="hostile", speakers=(), segments=()
    )


def behave(how: str, request: WorkerRequest, tell: Tell, events: int) -> Result:
    source = request.source if isinstance(request, SpeechRequest) else request.transcript.source
    tell(Progress(step="transcribe", done=1, total=2))
    if how == "prints":
        print("a library says hello")
        os.write(1, b"\x00\x00\x00\x05" * 1000 + b"\n")
        subprocess.run(["/bin/echo", "and so does its child"], check=True)
    elif how == "hang":
        time.sleep(3600)
    elif how == "grandchild":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        time.sleep(3600)
    elif how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "abort":
        os.kill(os.getpid(), signal.SIGABRT)
    elif how == "exit":
        os._exit(7)
    elif how == "garbage":
        os.write(events, b"GET / HTTP/1.1\r\n" * 100)
        time.sleep(3600)
    elif how == "wrong type":
        os.write(events, b"\x00\x00\x00\x01\xc0")
        time.sleep(3600)
    elif how == "half":
        os.write(events, b"\x00\x00\x10\x00only this")
        os._exit(0)
    elif how == "memory":
        hoard = []
        while True:
            hoard.append(bytes(64 << 20))
    elif how == "no room for a library":
        raise ImportError("lib.so: failed to map segment from shared object")
    elif how == "refuse":
        raise RecognitionError("nobody can hear that")
    elif how == "bug":
        raise ZeroDivisionError("a bug")
    elif how == "dies once":
        mark = Path(source + ".tried")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return Result(transcript=transcript_of(source))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("how")
    parser.add_argument("--request-fd", type=int, required=True)
    parser.add_argument("--event-fd", type=int, required=True)
    given = parser.parse_args()
    if given.how == "deaf":
        time.sleep(3600)
    return serve_one(given.request_fd, given.event_fd, lambda r, tell: behave(given.how, r, tell, given.event_fd))


if __name__ == "__main__":
    raise SystemExit(main())
