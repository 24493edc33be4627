#!/usr/bin/env python3
"""Turn taking measured: false alarms, interruptions, backchannels, echo, cut-offs and endpoint delays.

Plays the labelled set (`make_turn_taking_set.py`) through the real detectors and both orchestrators on virtual time;
see `turn_taking_call.py` for what is real and what is scripted.

    .venv/bin/python scripts/bench_turn_taking.py [--split test] [--only echo,noise]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import looptime
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import turn_taking_sounds as sounds  # noqa: E402
from make_turn_taking_set import MANIFEST, Item, render  # noqa: E402
from turn_taking_call import Outcome, hold  # noqa: E402

GREETING = (
    "Once upon a time there was a small lamp in a quiet house, and every evening it waited for the children to come "
    "home from the garden, because then it could shine on their books until they were tired and went to bed."
)
QUESTION, QUESTION_AT, EVENT_AT, ROOM = "tell me a story please", 0.5, 5.0, -66
Row = dict[str, float]


def play(caller: sounds.Wave, words: list[tuple[float, str]], **options: Any) -> Outcome:
    """One call on a loop of its own."""
    loop = looptime.new_event_loop()
    try:
        return loop.run_until_complete(hold(caller, words, **options))
    finally:
        loop.close()


def place(caller: sounds.Wave, at: float, pieces: list[tuple[str, sounds.Wave]]) -> list[tuple[float, str]]:
    """Mix pieces in; the words with their ends, spread evenly by letters over their piece."""
    words: list[tuple[float, str]] = []
    start = int(at * 16_000)
    for text, sound in pieces:
        caller[start : start + len(sound)] += sound
        letters = np.cumsum([len(word) for word in text.split()])
        words += [
            ((start + len(sound) * n / letters[-1]) / 16_000, w) for n, w in zip(letters, text.split(), strict=True)
        ]
        start += len(sound)
    return words


def during_the_answer(item: Item) -> Row:
    """A sound 5 s into a call, while the assistant tells a story: what the assistant made of it."""
    pieces = render(item)
    sound_s = sum(len(sound) for _, sound in pieces) / 16_000
    caller = sounds.room(ROOM, int((EVENT_AT + max(3.5, sound_s + 1.5)) * 16_000), 1)
    voice = item.get("voice", "rms")
    words = place(caller, QUESTION_AT, [(QUESTION, sounds.at_level(sounds.flite(QUESTION, voice), -22))])
    words += place(caller, EVENT_AT, pieces)
    echo = (item["delay_ms"], item["loss_db"]) if "delay_ms" in item else None
    done = play(caller, words, reply=GREETING, echo=echo)
    return judged(done, EVENT_AT, sound_s)


def judged(done: Outcome, since: float, sound_s: float) -> Row:
    """Pauses, decisions and delays from the playout's log."""
    row: Row = {"pauses": 0, "cancelled": 0, "sound_s": sound_s}
    paused: float | None = None
    for at, what in done.log:
        if at < since:
            continue
        if what == "pause" and paused is None:
            paused = at
            row["pauses"] += 1
            row.setdefault("pause_ms", (at - since) * 1000)
        elif what in ("resume", "flush"):
            if paused is not None:
                row["decision_ms"] = max(row.get("decision_ms", 0), (at - paused) * 1000)
            if what == "flush" and not row["cancelled"]:
                row |= {"cancelled": 1, "confirm_ms": (at - since) * 1000}
                if paused is not None:
                    row["pause_to_confirm_ms"] = (at - paused) * 1000
                break
            paused = None
    row["arrival_p99_ms"] = float(np.percentile(done.arrival_ms, 99))
    row["noted"] = sum(kind == "backchannel" for kind, _ in done.journal.notes)
    return row


def of_the_caller(item: Item, *, full: bool) -> Row:
    """An utterance (with a pause in it): when the answer begins, and whether it began in the pause."""
    pieces = render(item)
    sound_s = sum(len(sound) for _, sound in pieces) / 16_000
    caller = sounds.room(ROOM, int((1.0 + sound_s + 2.5) * 16_000), 1)
    words = place(caller, 1.0, pieces)
    done = play(caller, words, full=full)
    end = 1.0 + sound_s
    row: Row = {"cut_off": sum(at < end for at in done.audible) > 0}
    after = [at for at in done.audible if at >= end]
    if after and not row["cut_off"]:
        row["first_audio_ms"] = (after[0] - end) * 1000
    row["answered"] = bool(after)
    return row


def of_the_echo(item: Item) -> Row:
    """The assistant hears itself from its first word on, for some 10 s."""
    caller = sounds.room(ROOM, int(11.5 * 16_000), 1)
    done = play(caller, [], greeting=GREETING, echo=(item["delay_ms"], item["loss_db"]))
    return judged(done, 0.0, 11.0)


def echoes(split: str) -> list[Item]:
    """Delays and return losses; the splits share neither."""
    delays, losses = (
        ((0, 60, 180, 350, 500), (6, 12, 30)) if split == "development" else ((20, 100, 250, 420, 490), (6, 9, 20))
    )
    return [{"kind": "echo", "label": f"{loss} dB", "delay_ms": d, "loss_db": loss} for d in delays for loss in losses]


def percentile(rows: list[Row], key: str) -> str:
    """p50 / p95 / max of what the rows have."""
    values = [row[key] for row in rows if key in row]
    return " / ".join(f"{np.percentile(values, q):.0f}" for q in (50, 95, 100)) if values else "-"


def share(rows: list[Row], key: str) -> str:
    """K of n."""
    return f"{sum(bool(row[key]) for row in rows)} of {len(rows)}"


def report(split: str, results: dict[str, dict[str, list[Row]]]) -> list[str]:
    """Markdown tables of a split."""
    lines = [f"## {split}", ""]
    busy = {
        kind: results[kind]
        for kind in ("noise", "backchannel", "echo", "interruption", "interruption over echo")
        if results.get(kind)
    }
    if busy:
        lines += [
            "| while the assistant speaks | cancelled | pauses a minute | pause -> decision ms p50/p95/max | "
            "onset -> confirmed ms | pause -> confirmed ms | onset -> pause ms |",
            "|---|---|---|---|---|---|---|",
        ]
    for kind, by_label in busy.items():
        together = [row for rows in by_label.values() for row in rows]
        for label, rows in [*by_label.items(), ("all", together)]:
            pauses = sum(row["pauses"] for row in rows) * 60 / sum(max(row["sound_s"], 1) for row in rows)
            lines.append(
                f"| {kind}: {label} | {share(rows, 'cancelled')} | {pauses:.1f} | "
                f"{percentile(rows, 'decision_ms')} | {percentile(rows, 'confirm_ms')} | "
                f"{percentile(rows, 'pause_to_confirm_ms')} | {percentile(rows, 'pause_ms')} |"
            )
    if busy:
        hit = [row for rows in busy.get("interruption", {}).values() for row in rows]
        false = [
            row for kind in busy if not kind.startswith("interruption") for rows in busy[kind].values() for row in rows
        ]
        right, wrong = (sum(row["cancelled"] for row in rows) for rows in (hit, false))
        fast = sum(row.get("confirm_ms", 1e9) <= 250 for row in hit)
        lines += [
            "",
            f"Interruptions: recall {right:.0f}/{len(hit)}, precision {right:.0f}/{right + wrong:.0f}, confirmed "
            f"within 250 ms of the onset {fast}/{len(hit)}. Arrival path p99 "
            f"{max(row['arrival_p99_ms'] for row in hit + false):.2f} ms a frame.",
            "",
        ]
    for mode in ("full", "half"):
        rows = results.get(f"{mode} duplex", {})
        if rows:
            lines += [
                f"{mode} duplex",
                "",
                "| utterance | cut off | first audio ms p50/p95/max | answered |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {label} | {share(r, 'cut_off')} | {percentile(r, 'first_audio_ms')} | {share(r, 'answered')} |"
                for label, r in rows.items()
            ]
            lines.append("")
    return lines


def measure(split: str, only: set[str]) -> dict[str, dict[str, list[Row]]]:
    """Every item of a split."""
    results: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    items: list[Item] = [item for item in json.loads(MANIFEST.read_text()) if item["split"] == split]
    over = [
        item | {"kind": "interruption over echo", "label": f"{loss} dB", "delay_ms": 120, "loss_db": loss}
        for item in items
        for loss in (6, 20)
        if item["kind"] == "interruption"
    ]
    for item in [*items, *echoes(split), *over]:
        kind = item["kind"]
        if only and kind not in only:
            continue
        if kind in ("utterance", "pause"):
            for mode in ("full", "half"):
                label = "whole" if kind == "utterance" else f"pause {item['label']} ms"
                results[f"{mode} duplex"][label].append(of_the_caller(item, full=mode == "full"))
            continue
        row = of_the_echo(item) if kind == "echo" else during_the_answer(item)
        results[kind][item["label"]].append(row)
        bad = bool(row["cancelled"]) is (not kind.startswith("interruption")) or row.get("confirm_ms", 0) > 250
        if bad:
            print(
                {key: item.get(key) for key in ("kind", "label", "text", "voice", "level", "delay_ms", "loss_db")},
                {k: round(v) for k, v in row.items()},
                file=sys.stderr,
            )
    return results


def main() -> None:
    """Run and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("development", "test"), help="one split only")
    parser.add_argument("--only", default="", help="kinds, e.g. echo,noise,backchannel,interruption,utterance,pause")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmark-results" / f"turn-taking-{date.today()}.md")
    options = parser.parse_args()
    lines = [
        "# Turn taking",
        "",
        "`scripts/bench_turn_taking.py`; what is real and what is scripted: `scripts/turn_taking_call.py`.",
        "",
    ]
    for split in (options.split,) if options.split else ("development", "test"):
        lines += report(split, measure(split, {kind for kind in options.only.split(",") if kind}))
    options.out.write_text("\n".join(lines).rstrip() + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
