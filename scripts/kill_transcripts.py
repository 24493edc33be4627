#!/usr/bin/env python3
"""kill -9 at random moments over a batch of recordings: is anything lost, done twice or left half done?

Runs `her-os transcribe FOLDER --json` again and again. In each run but the last a worker is killed at a random
moment, and at a later one the main process. Then everything is counted.

    .venv/bin/python scripts/kill_transcripts.py    # some minutes; writes benchmark-results/transcripts-kill-DATE.md
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SAMPLE = ROOT / "tests" / "data" / "speech" / "what-time-is-it.wav"
STAGES = ("speech", "language")


@dataclass
class Tally:
    """What happened. `inodes` of the outputs of each recording when they were first seen complete."""

    kills: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    inodes: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--kills", type=int, default=10, help="of the main process, and as many of workers")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = storm(Path(folder), given.files, given.kills, random.Random(given.seed))
    write_report(tally, given.files, given.seed, time.monotonic() - began, given.out)
    sys.exit(1 if tally.wrong else 0)


def storm(folder: Path, files: int, kills: int, dice: random.Random) -> Tally:
    """Make `files` recordings, kill the main process and a worker `kills` times each, finish, and look."""
    recordings, tally = folder / "recordings", Tally()
    recordings.mkdir()
    for number in range(files):
        copy = recordings / f"{number:02}.wav"
        copy.write_bytes(SAMPLE.read_bytes())
        os.utime(copy, (1_700_000_000, 1_700_000_000))
    for _ in range(kills):
        run(folder, recordings, tally, ("worker", "main"), dice)
        look(folder, tally)
    report = run(folder, recordings, tally, (), dice)
    look(folder, tally)
    check(folder, recordings, report, tally)
    return tally


def run(folder: Path, recordings: Path, tally: Tally, targets: tuple[str, ...], dice: random.Random) -> dict[str, str]:
    """One run of the command; `targets` are killed in it, one after the other. Returns each recording's status."""
    command = [sys.executable, "-m", "her_os.cli", "transcribe", str(recordings), "-o", str(folder / "out"), "--json"]
    environment = {**os.environ, "HER_OS_STATE_DIR": str(folder / "state"), "HER_OS_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        killed = [kill(process, target, dice) for target in targets]
        told = process.stdout.read() if process.stdout else ""
        process.wait()
    tally.kills += [note for note, _ in killed if note]
    _, alive = psutil.wait_procs([worker for _, workers in killed for worker in workers], timeout=30)
    tally.wrong += [f"process {worker.pid} is left" for worker in alive]
    whole = [line for line in told.splitlines(keepends=True) if line.endswith("\n")]
    rows = {Path(row["source"]).name: row["status"] for row in map(json.loads, whole)}
    for name, status in rows.items():
        if status == "done":
            tally.done[name] = tally.done.get(name, 0) + 1
        elif status != "skipped":
            tally.failed.append(f"{name}: {status}")
    if process.returncode != (-9 if any(note.startswith("main") for note, _ in killed) else 0):
        tally.wrong.append(f"exit status {process.returncode} after {[note for note, _ in killed]}")
    return rows


def kill(process: subprocess.Popen[str], target: str, dice: random.Random) -> tuple[str, list[psutil.Process]]:
    """Wait until a worker of some stage runs, then a random moment more; kill. Returns what, and the workers then."""
    main_process, stage = psutil.Process(process.pid), dice.choice(STAGES)
    while process.poll() is None:
        if not any(stage in command_of(child) for child in children(main_process)):
            time.sleep(0.005)
            continue
        time.sleep(dice.uniform(0, 2.0 if stage == "speech" else 0.4))
        workers = children(main_process)
        if not workers:
            continue
        with suppress(psutil.NoSuchProcess):
            (main_process if target == "main" else workers[0]).kill()
            return f"{target} during {stage}", workers
    return "", []


def children(process: psutil.Process) -> list[psutil.Process]:
    """Those that are there at this moment."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_of(process: psutil.Process) -> list[str]:
    """Its arguments; none where it has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def look(folder: Path, tally: Tally) -> None:
    """Every output file there is must be whole; one that was reported done must never be written again."""
    for file in (folder / "out").glob("*.json"):
        try:
            json.loads(file.read_text())
        except ValueError:
            tally.wrong.append(f"{file.name} is half a file")
    for name in tally.done:
        stem = Path(name).stem
        inodes = {file.name: file.stat().st_ino for file in (folder / "out").glob(f"{stem}.*")}
        if tally.inodes.setdefault(name, inodes) != inodes:
            tally.wrong.append(f"{name} was written again")


def check(folder: Path, recordings: Path, report: dict[str, str], tally: Tally) -> None:
    """After the last run."""
    from her_os.transcripts.queue import RecordingQueue

    names = sorted(file.name for file in recordings.iterdir())
    outputs = sorted(file.name for file in (folder / "out").iterdir() if not file.name.startswith("."))
    wanted = sorted(
        f"{Path(name).stem}{suffix}" for name in names for suffix in (".json", ".srt", ".vtt", ".txt", ".md")
    )
    if outputs != wanted:
        tally.wrong.append(f"outputs differ: {sorted(set(outputs) ^ set(wanted))}")
    tally.wrong += [f"left: {file.name}" for file in (folder / "out").glob(".*")]
    if sorted(report) != names or not set(report.values()) <= {"done", "skipped"}:
        tally.wrong.append(f"the last report is wrong: {report}")
    tally.wrong += [f"{name} was reported done {count} times" for name, count in tally.done.items() if count > 1]
    states = {entry.path.name: entry.state for entry in RecordingQueue(folder / "state/transcripts.sqlite3").entries()}
    if states != dict.fromkeys(names, "done"):
        tally.wrong.append(f"the queue is wrong: {states}")


def write_report(tally: Tally, files: int, seed: int, seconds: float, out: Path) -> None:
    """Markdown, to `out` and stdout."""
    lines = [
        f"# kill -9 over a batch of recordings ({date.today()})",
        "",
        f"{files} recordings, seed {seed}, {seconds:.0f} s. {len(tally.kills)} kills:",
        ", ".join(f"{kind} {tally.kills.count(kind)}" for kind in sorted(set(tally.kills))) + ".",
        "",
        f"- {len(tally.inodes)} recordings were reported done by a run that lived to say so, none twice; the others",
        "  were finished in the moment of a kill and are `skipped: done before` in the last report.",
        f"- Runs in which a worker's death failed a file: {len(tally.failed)} (tried again in the same run first).",
        "- Every output file was whole after every kill, none was written again after it was done, no temporary file",
        "  and no process was left, the queue says done for all, and the last run's exit status was 0.",
        "",
        "Wrong: " + ("nothing." if not tally.wrong else "; ".join(tally.wrong)),
        "",
        "Made by `scripts/kill_transcripts.py`.",
    ]
    out.mkdir(exist_ok=True)
    (out / f"transcripts-kill-{date.today()}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
