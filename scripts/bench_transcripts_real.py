#!/usr/bin/env python3
"""Real speech through `her-os transcribe`: word errors of a folder of prompts, and one very long recording.

Needs Debian's asterisk-core-sounds-en and asterisk-core-sounds-en-wav: prompts of one speaker, with their text.

    .venv/bin/python scripts/bench_transcripts_real.py    # minutes; writes benchmark-results/transcripts-real-DATE.md
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import wave
from datetime import date
from pathlib import Path

import jsonschema
import numpy as np
import psutil
import webvtt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.measures import word_distance  # noqa: E402

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
RATE = 8_000


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    given = parser.parse_args()
    if not TEXTS.exists() or not SOUNDS.exists():
        sys.exit("install asterisk-core-sounds-en and asterisk-core-sounds-en-wav first")
    lines = [f"# Transcripts of real speech ({date.today()})", "", where_and_how(), ""]
    with tempfile.TemporaryDirectory() as folder:
        lines += folder_of_prompts(Path(folder), given.prompts)
    with tempfile.TemporaryDirectory() as folder:
        lines += ["", *long_recording(Path(folder), given.hours)]
    lines += ["", "Made by `scripts/bench_transcripts_real.py`."]
    given.out.mkdir(exist_ok=True)
    (given.out / f"transcripts-real-{date.today()}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def where_and_how() -> str:
    """What every number depends on."""
    return (
        f"Embedded recogniser, default configuration, {os.cpu_count()} cores shared with other work "
        f"(load {os.getloadavg()[0]:.1f}). Debian's Asterisk prompts: one speaker, 8 kHz telephone sound."
    )


def folder_of_prompts(folder: Path, count: int) -> list[str]:
    """Each prompt a file, as it comes."""
    prompts = choose(count)
    names: dict[str, list[str]] = {}
    for number, (source, text) in enumerate(prompts):
        target = folder / "in" / f"{number:03} {source.stem}.wav"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
        names[target.stem] = text.split()
    began = time.monotonic()
    rows, usage, _ = transcribe(folder, folder / "in")
    seconds = time.monotonic() - began
    assert len(rows) == len(prompts), "a recording is missing in the report"
    assert all(row["status"] == "done" for row in rows), rows
    wrong = total = 0
    for row in rows:
        check_outputs(row)
        heard = [word for segment in row["transcript"]["segments"] for word in segment["text"].split()]
        said = names[Path(row["source"]).stem]
        wrong, total = wrong + word_distance(said, heard), total + len(said)
    audio = sum(row["transcript"]["duration_ms"] for row in rows) / 1000
    return [
        f"## A folder of {len(rows)} prompts ({audio:.0f} s of speech, {total} words)",
        "",
        f"- Word error rate **{100 * wrong / total:.1f} %** ({wrong} of {total}: inserted, left out, or others).",
        f"- {seconds:.0f} s in all, {seconds / len(rows):.2f} s a file ({usage / len(rows):.2f} s of CPU).",
        "- Every JSON validates against docs/transcript.schema.json (jsonschema); SRT and VTT are read by webvtt-py.",
    ]


def long_recording(folder: Path, hours: float) -> list[str]:
    """Prompts with long pauses between them, for hours; the words near the end must be at their place."""
    dice, path = random.Random(5), folder / "long.wav"
    prompts, at, last = choose(200), 0, ("", 0.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        while at < hours * 3600 * RATE:
            source, text = dice.choice(prompts)
            with wave.open(str(source)) as prompt:
                sound = prompt.readframes(prompt.getnframes())
            pause = np.random.default_rng(at).normal(0, 3, int(dice.uniform(5, 60) * RATE)).astype(np.int16)
            last = (text, at / RATE)
            file.writeframes(sound + pause.tobytes())
            at += len(sound) // 2 + len(pause)
    began = time.monotonic()
    rows, usage, peaks = transcribe(folder, path)
    seconds = time.monotonic() - began
    (row,) = rows
    assert row["status"] == "done", row
    check_outputs(row)
    transcript = row["transcript"]
    final = transcript["segments"][-1]
    late = abs(final["start_ms"] / 1000 - last[1])
    assert late < 15, (final, last)
    return [
        f"## One recording of {transcript['duration_ms'] / 3_600_000:.2f} hours ({path.stat().st_size >> 20} MB)",
        "",
        f"- Done in {seconds:.0f} s ({usage:.0f} s of CPU): {len(transcript['segments'])} segments; the last begins "
        f"{late:.1f} s from where the last prompt begins (`{last[1]:.0f}` s).",
        f"- Peak resident memory: main process {peaks['main'] >> 20} MB, largest worker {peaks['worker'] >> 20} MB.",
        f"- Summary: {row['summary']['kind']}, {len(row['summary']['points'])} points.",
    ]


def transcribe(folder: Path, what: Path) -> tuple[list[dict], float, dict[str, int]]:
    """Report, CPU seconds, and peak resident bytes of the main process and of the largest worker."""
    command = [sys.executable, "-m", "her_os.cli", "transcribe", str(what), "--json", "-o", str(folder / "out")]
    environment = {**os.environ, "HER_OS_STATE_DIR": str(folder / "state")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peaks = {"main": 0, "worker": 0}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=watch, args=(process, peaks))
        watcher.start()
        told = process.stdout.read() if process.stdout else ""
        process.wait()
        watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [json.loads(line) for line in told.splitlines()], used, peaks


def watch(process: subprocess.Popen[str], peaks: dict[str, int]) -> None:
    """Look at resident memory every now and then."""
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peaks["main"] = max(peaks["main"], parent.memory_info().rss)
            for child in parent.children(recursive=True):
                peaks["worker"] = max(peaks["worker"], child.memory_info().rss)
        except psutil.Error:
            pass
        time.sleep(0.1)


def check_outputs(row: dict) -> None:
    """By others' libraries."""
    files = {Path(output).suffix: output for output in row["outputs"]}
    schema = json.loads((ROOT / "docs" / "transcript.schema.json").read_text())
    jsonschema.validate(json.loads(Path(files[".json"]).read_text()), schema)
    spoken = [segment for segment in row["transcript"]["segments"] if segment["text"]]
    assert len(webvtt.read(files[".vtt"])) >= len(spoken)
    if spoken:
        assert len(webvtt.from_srt(files[".srt"])) >= len(spoken)


def choose(count: int) -> list[tuple[Path, str]]:
    """Prompts of four to sixteen plain words, always the same ones."""
    found: list[tuple[Path, str]] = []
    for line in gzip.decompress(TEXTS.read_bytes()).decode(errors="replace").splitlines():
        name, _, text = line.strip().partition(":")
        text = " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("\u2019", "'")).split())
        path = SOUNDS / f"{name}.wav"
        if not re.search(r"[\[\d;/]", line) and 4 <= len(text.split()) <= 16 and path.exists():
            found.append((path, text))
    return random.Random(3).sample(found, min(count, len(found)))


if __name__ == "__main__":
    main()
