"""A llama.cpp server for the evaluation, from the xllamacpp wheel: the same endpoints the assistant uses.

Run as a module it serves one model until its standard input closes. `serving` is the context manager
around that process.
"""

import contextlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_START_S = 30.0


def _serve(model: str) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.n_ctx = 2048
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    address: str = server.listening_address
    print("LISTENING", address if address.startswith("http") else f"http://{address}", flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def serving(model: Path, python: str = sys.executable) -> Iterator[str]:
    """Yield the base URL of a server for `model`, run by `python`; stop it at the end."""
    command = [python, str(Path(__file__).resolve()), str(model)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        drain = threading.Thread(target=process.stdout.read)
        try:
            address = next((line for line in process.stdout if line.startswith("LISTENING ")), None)
            if address is None:
                raise RuntimeError(f"the llama.cpp server did not start; does `{python}` have xllamacpp?")
            drain.start()
            url = address.split()[1]
            _wait_until_ready(url)
            yield url
        finally:
            process.kill()
            if drain.ident is not None:
                drain.join()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError("the llama.cpp server was not ready in time")


if __name__ == "__main__":
    _serve(sys.argv[1])
