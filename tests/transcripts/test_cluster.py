"""A real Dask scheduler and two worker processes; one of them is killed in the middle of a file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.cli.test_commands import ROOT, her_os
from tests.ports import free_port

SAMPLE = ROOT / "tests" / "data" / "speech" / "what-time-is-it.wav"


@dataclass
class Cluster:
    """A scheduler and its machines; each is a process with one slot and one `GPU`."""

    address: str
    machines: list[subprocess.Popen[bytes]]

    def at_work(self) -> subprocess.Popen[bytes] | None:
        """A machine on which a worker process of ours runs."""
        for machine in self.machines:
            if any(_is_worker(child) for child in psutil.Process(machine.pid).children(recursive=True)):
                return machine
        return None


def _is_worker(process: psutil.Process) -> bool:
    """One that ends while it is looked at is none."""
    try:
        return "her_os.daemons.transcript_worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    address = f"tcp://127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "HER_OS_CACHE_DIR": str(tmp_path / "cache"),
    }
    quiet = {"cwd": ROOT, "env": environment, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-W", "ignore", "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-jupyter"]
    machine = ["distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", "--resources", "GPU=1"]
    with ExitStack() as running:
        processes = [subprocess.Popen([*dask, *scheduler], **quiet)]  # type: ignore[call-overload]
        machines = [
            subprocess.Popen([*dask, *machine, "--no-dashboard", "--local-directory", tmp_path / name], **quiet)  # type: ignore[call-overload]
            for name in ("one", "two")
        ]
        for process in (*processes, *machines):
            running.enter_context(process)
            running.callback(process.kill)
        yield Cluster(address, machines)


@pytest.mark.timeout(240)
def test_recordings_go_to_whichever_machine_has_room_and_one_that_dies_costs_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder, config = tmp_path / "in", tmp_path / "her-os.yaml"
    folder.mkdir()
    for number in range(2):
        shutil.copy(SAMPLE, folder / f"{number}.wav")
    (folder / "bad.wav").touch()
    config.write_text(f"transcripts: {{cluster: '{cluster.address}', cluster_at_once: 2, cluster_gpus: 1}}\n")
    command = [sys.executable, "-m", "her_os.cli", "transcribe", str(folder), "--json", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while (victim := cluster.at_work()) is None:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        orphans = psutil.Process(victim.pid).children(recursive=True)
        victim.send_signal(signal.SIGKILL)
        told, errors = process.communicate(timeout=200)
    assert process.returncode == 1, errors
    rows = {Path(row["source"]).name: row for row in map(json.loads, told.splitlines())}
    assert {name: row["status"] for name, row in rows.items()} == {
        "0.wav": "done", "1.wav": "done", "bad.wav": "failed",
    }  # fmt: skip
    assert rows["bad.wav"]["reason"] == "bad.wav is empty", "failures are the same as here"
    assert rows["0.wav"]["transcript"]["segments"][0]["text"] == "what time is it"
    assert rows["0.wav"]["summary"]["kind"] == "extractive"
    assert not psutil.wait_procs(orphans, timeout=20)[1], "a worker ends with its machine"


def test_a_cluster_that_is_not_there_is_nobodys_fault(tmp_path: Path) -> None:
    config, recording = tmp_path / "her-os.yaml", tmp_path / "a.wav"
    shutil.copy(SAMPLE, recording)
    os.utime(recording, (1_700_000_000, 1_700_000_000))
    config.write_text(f"transcripts: {{cluster: 'tcp://127.0.0.1:{free_port()}', cluster_timeout_s: 1, attempts: 1}}\n")
    done = her_os("transcribe", str(recording), "--json", "--config", str(config))
    row = json.loads(done.stdout)
    assert (row["status"], row["code"]) == ("failed", "sidecar_unavailable")
    assert "does not answer" in row["reason"]
