"""A stand-in for a daemon, run as `python tests/fakes/daemon.py NAME BEHAVIOUR`.

Behaviours: good; stubborn (ignores the first TERM); deaf (ignores every TERM); crash; misconfigured; mute
(never ready); parent (leaves a child of its own behind); a port number (answers HTTP on it as well).

One that is started before its turn says so, and waits for the word.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def notify(message: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(message.encode(), os.environ["NOTIFY_SOCKET"])


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"ready"}')

    def log_message(self, *_: object) -> None:
        pass


def serve(port: int) -> None:
    HTTPServer(("127.0.0.1", port), Healthy).serve_forever()


def main(name: str, behaviour: str) -> None:
    terms = 0

    def on_term(_number: int, _frame: object) -> None:
        nonlocal terms
        terms += 1
        say(f"{name} got TERM")
        if behaviour == "deaf" or (behaviour == "stubborn" and terms == 1):
            return
        say(f"{name} says goodbye")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, on_term)
    say(f"{name} born {os.getpid()}")
    if behaviour == "crash":
        raise SystemExit(3)
    if behaviour == "misconfigured":
        raise SystemExit(78)
    if behaviour == "parent":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        say(f"{name} child {child.pid}")
    if os.environ.get("HER_OS_HELD") == "1":
        say(f"{name} prepared")
        notify("HER_OS_PREPARED=1")
        if sys.stdin.readline() != "go\n":
            raise SystemExit(0)
        say(f"{name} goes on")
    if behaviour.isdigit():
        threading.Thread(target=serve, args=(int(behaviour),), daemon=True).start()
    if behaviour != "mute":
        notify("STATUS=warm\nREADY=1")
    while True:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "src")]
    from her_os.service.parent_death import die_with_parent

    die_with_parent(os.getppid())
    main(*sys.argv[1:])
