#!/usr/bin/env python3
"""What the split into worker processes costs and gives back: memory, seconds a file, files an hour.

Makes calls of two flite voices, then has the same files transcribed and summarised three times:
  split       the batch as it ships: a process for each stage of each file
  one process both stages of every file in one process, model loaded once, as a simple program would
  one each    both stages of a file in one process, a process for each file
The text must be the same each time. Peak memory is the largest resident set of any one process (VmHWM).

    .venv/bin/python scripts/bench_transcripts.py    # a minute or two; writes benchmark-results/transcripts-DATE.md
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from her_os.contracts.transcripts import (
    LanguageRequest,
    Progress,
    Result,
    Stage,
    Summary,
    Transcript,
    WorkerRequest,
)
from her_os.daemons.transcript_batch import WorkerProcesses
from her_os.settings import load_settings
from her_os.transcripts.batch import Batch
from her_os.transcripts.queue import RecordingQueue

TEXTS = ("set a timer for ten minutes", "what time is it", "what is the date today", "how many timers are running")
RATE = 16_000


@dataclass
class Kept:
    """An OutputWriter that keeps the text."""

    texts: dict[str, list[str]]

    def write(self, transcript: Transcript, summary: Summary) -> tuple[Path, ...]:
        self.texts[transcript.source] = [segment.text for segment in transcript.segments]
        assert summary.kind == "extractive", summary.warning
        return ()


class Measured:
    """A StageRunner around the worker processes that notes seconds and peak memory of each stage."""

    def __init__(self, inner: WorkerProcesses) -> None:
        self.inner = inner
        self.peak: dict[Stage, int] = {"speech": 0, "language": 0}
        self.seconds: dict[Stage, float] = {"speech": 0.0, "language": 0.0}

    async def run(self, stage: Stage, request: WorkerRequest, on_progress: Callable[[Progress], None]) -> Result:
        began = time.monotonic()
        result = await self.inner.run(stage, request, on_progress)
        self.seconds[stage] += time.monotonic() - began
        self.peak[stage] = max(self.peak[stage], result.peak_rss_bytes)
        return result


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=0.25, help="length of each call")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--alone", nargs="+", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = asyncio.run(make_calls(Path(folder), given.files, given.minutes))
        alone_run(files[:1])  # warm: the compiled model, the page cache
        report(files, given.out)


def alone(files: list[Path]) -> None:
    """The baseline, in this process: a model loaded once, no queue, no worker. Prints JSON."""
    from her_os.audio.sound_file import probe, read_channel
    from her_os.contracts.transcripts import CallFacts
    from her_os.daemons.transcript_language import summarise
    from her_os.daemons.transcript_recogniser import create_recogniser
    from her_os.transcripts.speech import Recording, transcribe

    began = time.monotonic()
    settings, texts = load_settings(), dict[str, list[str]]()
    engine = create_recogniser(settings)
    engine.load()
    loaded = time.monotonic() - began
    for file in files:
        sound = probe(file)
        recording = Recording(
            source=str(file), recorded_at=0, duration_ms=sound.duration_ms, channels=sound.channels,
            read=lambda channel, sound=sound: read_channel(sound, channel),
        )  # fmt: skip
        call = CallFacts(call_id=file.stem)
        transcript = transcribe(recording, call, engine, "en", lambda _: None)
        summarise(settings, LanguageRequest(transcript=transcript, call=call), lambda _: None)
        texts[str(file)] = [segment.text for segment in transcript.segments]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"texts": texts, "peak": peak, "load_s": loaded}))


def alone_run(files: list[Path]) -> tuple[float, dict[str, list[str]], int, float]:
    """Seconds, texts, peak memory, seconds to load of the baseline over `files`."""
    began = time.monotonic()
    command = [sys.executable, __file__, "--alone", *map(str, files)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return time.monotonic() - began, told["texts"], told["peak"], told["load_s"]


async def split_run(files: list[Path]) -> tuple[float, dict[str, list[str]], Measured, int]:
    """Seconds, texts, the stages' measurements, and what the main process grew by."""
    from her_os.contracts.transcripts import CallFacts

    queue = RecordingQueue(files[0].parent / "queue.sqlite3")
    for file in files:
        queue.add(file)
    settings = load_settings()
    same_priority = msgspec.structs.replace(settings.transcripts, worker_nice=0)
    runner = Measured(WorkerProcesses(msgspec.structs.replace(settings, transcripts=same_priority)))
    kept = Kept({})
    before = psutil.Process().memory_info().rss
    began = time.monotonic()
    results = await Batch(queue, runner, kept, facts=lambda path: CallFacts(call_id=path.stem)).run(files)
    seconds = time.monotonic() - began
    failed = [result.reason for result in results if result.status != "done"]
    assert not failed, failed
    assert not psutil.Process().children(recursive=True), "a worker is left"
    return seconds, kept.texts, runner, psutil.Process().memory_info().rss - before


def report(files: list[Path], out: Path) -> None:
    """Measure, compare, write."""
    spent = [cpu_s()]
    split_s, split_texts, stages, growth = asyncio.run(split_run(files))
    spent.append(cpu_s())
    one_s, one_texts, one_peak, load_s = alone_run(files)
    spent.append(cpu_s())
    each = [alone_run([file]) for file in files]
    spent.append(cpu_s())
    split_cpu, one_cpu, each_cpu = (after - before for before, after in itertools.pairwise(spent))
    each_s = sum(run[0] for run in each)
    each_texts = {name: text for run in each for name, text in run[1].items()}
    assert split_texts == one_texts == each_texts, "the text differs"
    count = len(files)
    overhead = (split_cpu - each_cpu) / count
    rows = [
        ("split: speech worker", stages.peak["speech"], "", stages.seconds["speech"]),
        ("split: language worker", stages.peak["language"], "", stages.seconds["language"]),
        ("split: all", max(stages.peak.values()), f"{split_cpu / count:.2f}", split_s),
        ("one process, model loaded once", one_peak, f"{one_cpu / count:.2f}", one_s),
        ("one process for each file", max(run[2] for run in each), f"{each_cpu / count:.2f}", each_s),
    ]
    lines = [
        f"# Transcripts: a process for each stage, against one process ({date.today()})",
        "",
        f"{count} calls of two voices, {audio_s(files[0]):.0f} s each, embedded recogniser, extracts as summary.",
        f"The text was equal. {platform.machine()}, {os.cpu_count()} cores shared with other work (load "
        f"{os.getloadavg()[0]:.1f}), Python {platform.python_version()}.",
        "",
        "| | peak resident memory of a process | CPU seconds a file | seconds a file | files an hour |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {peak >> 20} MB | {cpu} | {s / count:.2f} | {3600 * count / s:.0f} |"
            for name, peak, cpu, s in rows
        ),
        "",
        f"- The main process grew by {growth / (1 << 20):.1f} MB over the batch, and no worker was left.",
        f"- The model loads in {load_s:.2f} s. Against one process for each file, which loads it as often, the",
        f"  split costs {max(0, overhead):.2f} s of CPU a file (another interpreter, imports, pipes, queue).",
        "- Promised is at most 0.5 s. Wall times here are those of a machine with other work, which CPU time is not.",
        "- Not shown: a language model in the language worker (it asks llama-server, which holds it), and VRAM (no "
        "graphics card).",
        "",
        "Made by `scripts/bench_transcripts.py`.",
    ]
    out.mkdir(exist_ok=True)
    place = out / f"transcripts-{date.today()}.md"
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


async def make_calls(folder: Path, count: int, minutes: float) -> list[Path]:
    """Stereo calls: the caller says a phrase, the other voice the next one, over and over."""
    from tests.e2e.voices import speak

    pause = np.zeros(RATE, np.int16)
    files: list[Path] = []
    for number in range(count):
        sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        length, turn = 0, number
        while length < minutes * 60 * RATE:
            said = np.frombuffer(await speak(TEXTS[turn % len(TEXTS)], ("slt", "rms")[turn % 2]), dtype=np.int16)
            silent = np.zeros_like(said)
            sides[turn % 2].extend((said, pause))
            sides[1 - turn % 2].extend((silent, pause))
            length, turn = length + len(said) + len(pause), turn + 1
        files.append(folder / f"call-{number}.wav")
        with wave.open(str(files[-1]), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(np.column_stack([np.concatenate(side) for side in sides]).tobytes())
    return files


def cpu_s() -> float:
    """CPU seconds of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def audio_s(path: Path) -> float:
    """How long a WAV file is."""
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


if __name__ == "__main__":
    main()
