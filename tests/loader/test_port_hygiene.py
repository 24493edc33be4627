"""What is in the way of a start: who may be ended for it, and who may not."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from her_os.daemons.this_machine import ThisMachine
from her_os.loader.port_hygiene import Holder, HygieneRules, PortHygiene, PortTaken, WantedPort
from her_os.service.process_table import SPAWNED_BY, end_process, family_of, mark_lives, own_mark

TTS = WantedPort("tts", "127.0.0.1", 8772, "tcp", "tts.port")
ORPHAN = Holder(50, "her-os daemon tts", ours=True)
STRANGER = Holder(60, "nginx")
FAMILY = Holder(70, "her-os daemon tts", ours=True, supervised=True)
UNKNOWN = Holder(None, "a process of another user")


class FakeMachine:
    """One port, perhaps held."""

    def __init__(self, holder: Holder | None, *, immortal: bool = False) -> None:
        self._holder, self._immortal = holder, immortal
        self.ended: list[int] = []
        self.stale: bool | None = None

    def is_free(self, wanted: WantedPort) -> bool:
        return self._holder is None

    def holder(self, wanted: WantedPort) -> Holder:
        assert self._holder is not None
        return self._holder

    def process(self, pid: int) -> Holder | None:
        return self._holder if self._holder and self._holder.pid == pid else None

    def socket_is_stale(self, path: Path) -> bool | None:
        return self.stale

    def end(self, pid: int, grace_s: float) -> str:
        self.ended.append(pid)
        if self._immortal:
            return ""
        self._holder = None
        return "TERM"


def hygiene(
    machine: FakeMachine,
    kill_orphans: bool | Literal["any"] = True,
    *,
    enabled: bool = True,
    sockets: tuple[Path, ...] = (),
    pid_files: tuple[Path, ...] = (),
) -> PortHygiene:
    return PortHygiene(HygieneRules(enabled, kill_orphans, 5.0, sockets, pid_files), machine, [TTS])


@pytest.mark.parametrize(
    ("kill_orphans", "holder", "ended"),
    [
        (True, ORPHAN, True),
        (True, STRANGER, False),
        (True, FAMILY, False),
        (True, UNKNOWN, False),
        ("any", ORPHAN, True),
        ("any", STRANGER, True),
        ("any", FAMILY, False),
        ("any", UNKNOWN, False),
        (False, ORPHAN, False),
        (False, STRANGER, False),
    ],
)
async def test_who_is_ended_and_who_is_named(
    kill_orphans: bool | Literal["any"], holder: Holder, ended: bool, caplog: pytest.LogCaptureFixture
) -> None:
    machine = FakeMachine(holder)
    if ended:
        await hygiene(machine, kill_orphans).before_start()
        assert machine.ended == [holder.pid]
        assert (
            f"port 8772/tcp (tts.port, for tts) is held by {'an orphan' if holder.ours else 'a stranger'}"
            in caplog.text
        )
        assert f"pid {holder.pid} ended by TERM" in caplog.text
        return
    with pytest.raises(PortTaken) as caught:
        await hygiene(machine, kill_orphans).before_start()
    assert f"port 8772/tcp (tts.port, for tts) is taken by {holder}; stop it" in str(caught.value)
    assert machine.ended == []


async def test_an_orphan_that_cannot_be_ended_is_named() -> None:
    with pytest.raises(PortTaken, match="is taken by pid 50"):
        await hygiene(FakeMachine(ORPHAN, immortal=True)).before_start()


async def test_where_hygiene_is_off_nobody_is_looked_at() -> None:
    machine = FakeMachine(STRANGER)
    await hygiene(machine, enabled=False).before_start()
    assert machine.ended == []


async def test_free_ports_are_clean_before_and_after(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await hygiene(FakeMachine(None)).before_start()
    await hygiene(FakeMachine(None)).after_stop()
    assert "ports clean" in caplog.text
    await hygiene(FakeMachine(STRANGER)).after_stop()
    assert "is still taken by pid 60: nginx" in caplog.text


@pytest.mark.parametrize("text", ["", "none", "-5", "999999999", "60\n", "0"])
async def test_a_stale_pid_file_is_removed(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "tts.pid"
    file.write_text(text)
    machine = FakeMachine(None)
    await hygiene(machine, pid_files=(file, tmp_path / "none.pid")).before_start()
    assert not file.exists()
    assert machine.ended == []
    assert "stale pid file" in caplog.text


@pytest.mark.parametrize(
    ("holder", "ended", "kept"), [(ORPHAN, [50], False), (FAMILY, [], True), (STRANGER, [], False)]
)
async def test_what_a_pid_file_names_is_ended_only_if_it_is_an_orphan_of_ours(
    tmp_path: Path, holder: Holder, ended: list[int], kept: bool
) -> None:
    file = tmp_path / "tts.pid"
    file.write_text(f"{holder.pid}\n")
    machine = FakeMachine(holder)
    it = PortHygiene(HygieneRules(True, True, 5.0, (), (file,)), machine, [])
    await it.before_start()
    assert machine.ended == ended
    assert file.exists() is kept


async def test_a_stale_socket_is_removed_one_that_listens_is_not(tmp_path: Path) -> None:
    path, plain = tmp_path / "s.sock", tmp_path / "plain"
    plain.write_text("no socket")
    machine = ThisMachine()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        it = PortHygiene(HygieneRules(True, "any", 5.0, (plain, path), ()), machine, [])
        with pytest.raises(PortTaken, match=r"s\.sock .*has a listener"):
            await it.before_start()
        assert path.exists()
    await it.before_start()
    assert not path.exists()
    assert plain.exists(), "what is no socket is not ours to remove"


LISTEN = (
    "import signal, socket, sys, time\n"
    "if sys.argv[1:] == ['deaf']: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(600)"
)


@pytest.fixture
def dead_mark() -> str:
    """The mark of a supervisor that is gone."""
    with subprocess.Popen(["true"]) as gone:
        pass
    return f"{gone.pid}:1.00"


@pytest.fixture
def orphan(dead_mark: str, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A listening process with our mark, whose supervisor is gone."""
    arguments = getattr(request, "param", [])
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, *arguments],
        env={**os.environ, SPAWNED_BY: dead_mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_a_real_orphan_is_ended_and_its_port_is_free(orphan: tuple[subprocess.Popen[str], int]) -> None:
    process, port = orphan
    wanted = WantedPort("tts", "127.0.0.1", port, "tcp", "tts.port")
    await PortHygiene(HygieneRules(True, True, 5.0), ThisMachine(), [wanted]).before_start()
    assert process.poll() is not None


@pytest.mark.parametrize("orphan", [["deaf"]], indirect=True)
async def test_a_real_orphan_that_ignores_term_is_killed(orphan: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = orphan
    assert await asyncio.to_thread(end_process, process.pid, 0.2) == "KILL"
    assert process.poll() is not None


async def test_a_process_of_another_running_family_is_not_ours_to_end(
    orphan: tuple[subprocess.Popen[str], int],
) -> None:
    machine = ThisMachine()
    process, port = orphan
    holder = machine.holder(WantedPort("tts", "127.0.0.1", port, "tcp", "tts.port"))
    assert (holder.pid, holder.ours, holder.supervised) == (process.pid, True, False)
    assert mark_lives(own_mark())
    assert not mark_lives(f"{os.getpid()}:1.00"), "the same number, but another process"
    assert not mark_lives("nonsense")


def test_we_end_neither_ourselves_nor_who_started_us() -> None:
    for pid in (1, os.getpid(), os.getppid()):
        assert end_process(pid, 0.1) == ""
    assert os.getpid() in family_of(os.getpid())
    assert family_of(2**22 + 1) == set()
