"""Fixtures for every test: no leaked asyncio task, no leaked child process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from hypothesis import settings

# An example has no deadline, for the machine may be busy.
settings.register_profile("her-os", deadline=None, max_examples=40)
settings.load_profile("her-os")


@pytest_asyncio.fixture(autouse=True)
async def _no_leaked_tasks() -> AsyncIterator[None]:
    """A test that leaves a task running has lost its owner."""
    yield
    await asyncio.sleep(0)
    leaked = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    names = [f"{task.get_name()}: {task.get_coro()}" for task in leaked]
    assert not leaked, f"leaked tasks: {names}"


@pytest.fixture(autouse=True)
def _no_leaked_processes() -> Iterator[None]:
    """A test that leaves a child process behind is a bug. What a module's own daemons start is theirs to stop."""
    me = psutil.Process()
    before = {child.pid for child in me.children(recursive=True)}
    yield
    after = [child for child in me.children(recursive=True) if not _belongs_to(child, before)]
    _, alive = psutil.wait_procs(after, timeout=3)
    for child in alive:
        child.kill()
    assert not alive, f"left running: {[(child.pid, child.name()) for child in alive]}"


def _belongs_to(process: psutil.Process, pids: set[int]) -> bool:
    """Whether the process or one of its ancestors is among `pids`."""
    try:
        return process.pid in pids or any(parent.pid in pids for parent in process.parents())
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(autouse=True)
def _private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own configuration and state."""
    for name in [name for name in os.environ if name.startswith("HER_OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("ENABLE_BARGE_IN", raising=False)
    monkeypatch.setenv("HER_OS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HER_OS_SECRETS_FILE", str(tmp_path / "secrets.env"))
