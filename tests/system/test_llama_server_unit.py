"""The real llama-server as a unit: with an answer under way it ignores a first TERM, and is stopped all the same.

Needs root and the binary: `./start.sh test --llama-server`.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llama_server_process import built_binary
from tests.system.machine import ROOT, Machine

pytestmark = [pytest.mark.llama_server, pytest.mark.timeout(240)]
MODEL = "/var/lib/her-os/endless.gguf"
STREAM = """
import json, re, urllib.request
key = re.search(r"HER_OS_LLM_API_KEY=(\\w+)", open("/etc/her-os/secrets.env").read())[1]
body = {"messages": [{"role": "user", "content": "hello"}], "stream": True, "max_tokens": 100000, "ignore_eos": True}
url, headers = "http://127.0.0.1:11435/v1/chat/completions", {"Authorization": "Bearer " + key}
for line in urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)):
    print(line.decode(), flush=True)
"""


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    box = tmp_path_factory.mktemp("box")
    machine = Machine(box)
    machine.boot()
    try:
        machine.her_os("install")
        machine.run("cp", str(built_binary()), "/usr/local/bin/llama-server")
        size = ("--width", "512", "--layers", "24", "--context", "8192")
        machine.run(f"{ROOT}/.venv/bin/python", f"{ROOT}/scripts/random_gguf.py", MODEL, *size)
        machine.run("sed", "-i", f"s#model: embedded #model: {MODEL} #;s/context_tokens: 4096/context_tokens: 8192/",
                    "/etc/her-os/her-os.yaml")  # fmt: skip
        yield machine
    finally:
        machine.halt()
        shutil.rmtree(box)


@contextmanager
def answer_under_way(machine: Machine) -> Iterator[None]:
    """A stream of which the first words have come and that goes on for long."""
    command = machine.command("/opt/her-os/venv/bin/python", "-c", STREAM)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client:
        try:
            assert client.stdout is not None
            assert client.stdout.readline().startswith("data:")
            yield
        finally:
            client.kill()


def test_an_answer_under_way_does_not_hold_up_a_stop(machine: Machine):
    machine.run("systemctl", "start", "her-os-llm.service")
    pid = machine.pid("llm")
    assert machine.run("readlink", f"/proc/{pid}/exe").strip() == "/usr/local/bin/llama-server"
    assert "ready on" in machine.show("llm", "StatusText")
    with answer_under_way(machine):
        machine.signal("llm", "TERM")
        time.sleep(2)
        assert machine.pid("llm") == pid, "a first TERM ends it: the unit could do without its ExecStop="
    machine.run("systemctl", "restart", "her-os-llm.service")
    with answer_under_way(machine):
        began = time.monotonic()
        machine.run("systemctl", "stop", "her-os-llm.service")
        assert time.monotonic() - began < 5
    assert machine.show("llm", "Result") == "success"
    assert "SIGKILL" not in machine.journal("-u", "her-os-llm")
