"""Each recording is claimed once, whatever dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from her_os.transcripts.queue import RecordingQueue
from tests.transcripts.hostile_worker import transcript_of

CLAIM_AND_STAY = """
import sys, time
from pathlib import Path
from her_os.transcripts.queue import RecordingQueue
queue = RecordingQueue(Path(sys.argv[1]))
while claim := queue.claim():
    print(claim.path, flush=True)
    if sys.argv[2] == "stay":
        time.sleep(3600)
    queue.finish(claim.path)
"""


@pytest.fixture
def queue(tmp_path: Path) -> RecordingQueue:
    return RecordingQueue(tmp_path / "queue.sqlite3", attempts=2)


def recordings(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:02} it's.wav" for number in range(count)]
    for path in paths:
        path.write_bytes(b"sound")
    return paths


def test_first_in_first_out_and_once(queue: RecordingQueue, tmp_path: Path) -> None:
    first, second = recordings(tmp_path, 2)
    assert [queue.add(path) for path in (first, second, first)] == ["waiting"] * 3
    claims = [queue.claim() for _ in range(3)]
    assert [claim and claim.path for claim in claims] == [first, second, None]
    queue.finish(first)
    assert queue.add(first) == "done"
    assert queue.claim() is None


def test_only_what_is_asked_for_is_claimed(queue: RecordingQueue, tmp_path: Path) -> None:
    first, second = recordings(tmp_path, 2)
    queue.add(first)
    queue.add(second)
    claim = queue.claim([second])
    assert claim is not None
    assert claim.path == second
    assert queue.claim([second]) is None


def test_what_keeps_failing_is_put_in_quarantine_with_the_reason(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    states = []
    while queue.claim():
        states.append(queue.fail(path, "killed", "it was killed"))
    assert states == ["waiting", "quarantined"]
    assert queue.add(path) == "quarantined"
    entry = queue.entry(path)
    assert entry is not None
    assert (entry.code, entry.reason, entry.failures) == ("killed", "it was killed", 2)
    assert queue.add(path, again=True) == "waiting"


def test_a_changed_file_waits_again(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    queue.claim()
    queue.finish(path)
    path.write_bytes(b"another sound")
    assert queue.add(path) == "waiting"


def test_interrupted_work_is_kept_and_counts_as_no_failure(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    for _ in range(5):
        assert queue.claim()
        queue.keep(path, transcript_of(str(path)))
        queue.release(path)
    claim = queue.claim()
    assert claim is not None
    assert claim.transcript == transcript_of(str(path))
    assert claim.failures == 0


def test_a_claim_dies_with_its_owner(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    command = [sys.executable, "-c", CLAIM_AND_STAY, str(tmp_path / "queue.sqlite3"), "stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip() == str(path)
        assert queue.claim() is None
        assert queue.add(path) == "claimed"
        owner.kill()
    assert queue.add(path) == "waiting"
    claim = queue.claim()
    assert claim is not None
    assert claim.path == path


def test_many_processes_share_the_work(queue: RecordingQueue, tmp_path: Path) -> None:
    paths = recordings(tmp_path, 30)
    for path in paths:
        queue.add(path)
    command = [sys.executable, "-c", CLAIM_AND_STAY, str(tmp_path / "queue.sqlite3"), "go on"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [worker.communicate()[0].splitlines() for worker in workers]
    claimed = sorted(line for lines in said for line in lines)
    assert claimed == sorted(str(path) for path in paths)


def test_forgotten(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    queue.forget(path)
    assert queue.entries() == []


def test_a_mistake_in_the_configuration_is_not_the_recordings_fault(queue: RecordingQueue, tmp_path: Path) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    for _ in range(5):
        assert queue.claim()
        assert queue.fail(path, "config", "no such model") == "waiting"
    entry = queue.entry(path)
    assert entry is not None
    assert (entry.reason, entry.failures) == ("no such model", 0)


def test_what_is_being_worked_at_is_not_forgotten_and_a_forgotten_transcript_is_in_no_file(
    queue: RecordingQueue, tmp_path: Path
) -> None:
    (path,) = recordings(tmp_path, 1)
    queue.add(path)
    queue.claim()
    made = msgspec.structs.replace(transcript_of(str(path)), language="xylophone secret")
    queue.keep(path, made)
    assert not queue.forget(path)
    queue.release(path)
    assert queue.forget(path)
    assert not any(b"xylophone" in file.read_bytes() for file in tmp_path.glob("queue*"))
