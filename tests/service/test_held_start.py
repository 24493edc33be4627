"""A daemon that is started before its turn: it loads, binds nothing, and goes on at the word."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from her_os.service.child_process import ChildProcess
from her_os.service.notify_listener import NotifyListener

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def held(folder: Path, behaviour: str, lines: list[str]) -> AsyncIterator[tuple[ChildProcess, NotifyListener]]:
    notify = NotifyListener(folder / "n")
    notify.open()
    command = [sys.executable, "-m", "tests.fakes.http_daemon", behaviour]
    child = ChildProcess(command, {**os.environ, "NOTIFY_SOCKET": str(notify.path)}, lines.append, workdir=ROOT)
    await child.start(held=True)
    try:
        yield child, notify
    finally:
        await child.stop(5)
        notify.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def listens(child: ChildProcess) -> bool:
    return any(c.status == psutil.CONN_LISTEN for c in psutil.Process(child.pid).net_connections("tcp"))


@pytest.mark.parametrize(("behaviour", "loaded"), [("ahead", True), ("good", False)])
async def test_it_prepares_binds_no_port_and_goes_on_at_the_word(tmp_path: Path, behaviour: str, loaded: bool) -> None:
    lines: list[str] = []
    async with held(tmp_path, behaviour, lines) as (child, notify):
        await notify.prepared.wait()
        assert not notify.ready
        assert not listens(child)
        assert ("LOADED" in lines) is loaded, "only one that may load without its port has done so"
        child.release()
        await until(lambda: notify.ready)
        assert listens(child)
        assert lines.count("LOADED") == 1
    assert "CLOSED" in lines


async def test_a_stop_before_its_turn_frees_what_it_held(tmp_path: Path) -> None:
    lines: list[str] = []
    async with held(tmp_path, "ahead", lines) as (child, notify):
        await notify.prepared.wait()
        await child.stop(10)
        assert await child.wait() == 0
    assert "CLOSED" in lines


async def test_a_word_that_comes_before_it_is_prepared_is_not_lost(tmp_path: Path) -> None:
    async with held(tmp_path, "ahead", []) as (child, notify):
        child.release()
        await until(lambda: notify.ready)


async def test_a_mistake_in_the_configuration_is_found_before_its_turn(tmp_path: Path) -> None:
    lines: list[str] = []
    async with held(tmp_path, "config", lines) as (child, _):
        assert await child.wait() == 78
        child.release()
    assert any("her-os.yaml:3: tts.voice: is wrong" in line for line in lines)


async def test_it_ends_when_its_supervisor_is_gone(tmp_path: Path) -> None:
    async with held(tmp_path, "ahead", []) as (child, notify):
        await notify.prepared.wait()
        child.abandon()
        assert await child.wait() == 0


async def test_a_process_that_was_stopped_hears_that_it_should_end(tmp_path: Path) -> None:
    lines: list[str] = []
    async with held(tmp_path, "ahead", lines) as (child, notify):
        child.release()
        await until(lambda: notify.ready)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        await child.stop(20)
    assert "CLOSED" in lines


async def test_one_that_ignores_every_term_is_killed_after_the_configured_time(tmp_path: Path) -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    lines: list[str] = []
    child = ChildProcess([sys.executable, "-c", script], dict(os.environ), lines.append, kill_after_s=0.2)
    await child.start()
    await until(lambda: "up" in lines)
    await child.stop(0.1)
    assert await child.wait() == -signal.SIGKILL
