"""What starts the dispatcher where systemd does not: a finished recording, and every now and then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from her_os.daemons import transcript_watch
from her_os.daemons.transcript_watch import transcribing, watch_recordings
from her_os.settings import Settings
from her_os.settings.schema import Environment, Transcripts


class Runs:
    """A dispatcher that only counts, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.count, self.now = 0, 0.0

    async def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def watching(folder: Path, runs: Runs) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yields what waits until the folder has been looked at twice more."""
    looks = 0

    def now() -> float:
        nonlocal looks
        looks += 1
        return runs.now

    async def looked_twice() -> None:
        wanted = looks + 3
        while looks < wanted:
            await asyncio.sleep(0.001)

    task = asyncio.create_task(watch_recordings(folder, runs, now=now, poll_s=0.001, every_s=600))
    try:
        yield looked_twice
    finally:
        task.cancel()
        await asyncio.wait({task})


def write(path: Path, size: int, seconds: float) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (seconds, seconds))


async def test_each_finished_recording_starts_it_once_also_while_another_call_goes_on(tmp_path: Path) -> None:
    runs, folder = Runs(), tmp_path / "recordings"
    async with watching(folder, runs) as looked:
        await looked()
        assert runs.count == 0, "there is no recording, not even a folder"
        folder.mkdir()
        write(folder / "a.wav", 10, 1)
        await looked()
        await looked()
        assert runs.count == 1
        growing = asyncio.create_task(grow(folder / "b.wav"))
        await looked()
        before = runs.count
        write(folder / "c.wav", 10, 2)
        await looked()
        await looked()
        assert runs.count > before
        growing.cancel()
        await asyncio.wait({growing})


async def grow(path: Path) -> None:
    """A call that goes on."""
    size = 0
    while True:
        size += 1
        write(path, size, size)
        await asyncio.sleep(0)


async def test_what_was_there_before_and_what_may_wait_is_looked_after(tmp_path: Path) -> None:
    runs = Runs()
    write(tmp_path / "left.wav", 10, 1)
    async with watching(tmp_path, runs) as looked:
        await looked()
        await looked()
        assert runs.count == 1
        runs.now = 601.0
        await looked()
        await looked()
        assert runs.count == 2


async def test_a_house_that_wants_no_transcripts_has_none_and_a_failure_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "recordings" / "a.wav", 10, 1)
    here = Environment(state_dir=tmp_path)
    broken = asyncio.Event()

    async def fail() -> None:
        broken.set()
        raise ZeroDivisionError("a bug")

    async with transcribing(Settings(environment=here, transcripts=Transcripts(enabled=False)), fail):
        await asyncio.sleep(0)
    assert not broken.is_set()
    monkeypatch.setattr(transcript_watch, "POLL_S", 0.001)
    async with transcribing(Settings(environment=here), fail):
        await broken.wait()
        await asyncio.sleep(0.01)
    assert "no longer transcribed" in caplog.text
