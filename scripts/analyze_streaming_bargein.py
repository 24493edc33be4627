#!/usr/bin/env python3
"""Tables, plots and a verdict from a run of bench_streaming_bargein.py.

    .venv/bin/python scripts/analyze_streaming_bargein.py benchmark-results/streaming-2026-01-31

reads run.json there and writes SUMMARY.md, timeline.png and distributions.png beside it. A second run with a model that
is still at work when it is interrupted, in busy-slot/run.json there, gives the summary its line on slots; soak.json
(scripts/soak.py) its line on memory.

The verdict: `ship-barge-in` when every goal is reached, every interruption silenced the answer and the soak is clean;
`ship-streaming-stt-only` when the recogniser's goals are reached (words, first partial, final); else `defer`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from scripts.measures import quantile  # noqa: E402

MEASURES = (
    ("first_words", "onset of speech -> first partial, at the phone daemon", 900, None),
    ("final", "end of speech -> final, the pause that ends a turn included", None, 600),
    ("onset_to_silence", "speech onset -> last audible packet at the caller", 100, 150),
    ("end_to_first_audio", "end of a complete utterance -> first audible packet", 500, None),
    ("slot_free", "confirmed onset -> slot free, where the language model was still at work", None, 300),
    ("thread_idle", "confirmed onset -> synthesis thread idle", None, 300),
    ("chain_total", "whole cancel chain, the recogniser's 200 ms grace included", None, 600),
    ("word_errors", "words wrong of a hundred, by call", 25, None),
)
RECOGNISER = ("first_words", "final", "word_errors")
MOST_GROWTH = 0.05
"""Of any daemon's memory over a soak, once it is warm."""
AUDIBLE_DBFS = -50


def reached(run: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether these were measured and reach their goals."""
    for name, _, p50_goal, p95_goal in MEASURES:
        if name in names:
            values = run[name]
            figures = ((p50_goal, 0.5), (p95_goal, 0.95))
            if not values or any(goal is not None and quantile(values, share) > goal for goal, share in figures):
                return False
    return True


def verdict(run: dict[str, Any]) -> str:
    """See above."""
    silenced = not run["not_silenced"] and not run["unanswered"]
    soak = run.get("soak")
    if silenced and soak and soak["clean"] and reached(run, tuple(name for name, *_ in MEASURES)):
        return "ship-barge-in"
    return "ship-streaming-stt-only" if reached(run, RECOGNISER) else "defer"


def soak_line(run: dict[str, Any]) -> str:
    """The soak in a sentence."""
    soak = run.get("soak")
    if not soak:
        return "No soak was run (`scripts/soak.py`)."
    grown = ", ".join(f"{name} {100 * share:+.1f} %" for name, share in soak["growth"].items())
    outcome = "clean" if soak["clean"] else f"NOT CLEAN: {'; '.join(soak['complaints'])}"
    return (
        f"Soak, every service live: {soak['calls']} calls in {soak['minutes']:.0f} minutes; memory since it was warm: "
        f"{grown} (goal {MOST_GROWTH:.0%}); {outcome}."
    )


def against(value: float, goal: int | None) -> str:
    """A goal as a word."""
    return "" if goal is None else f" (goal {goal}: {'reached' if value <= goal else 'MISSED'})"


def table(run: dict[str, Any]) -> list[str]:
    """The measures, in milliseconds."""
    lines = ["| measure (ms) | n | p50 | p95 | max |", "|---|---|---|---|---|"]
    for name, title, p50_goal, p95_goal in MEASURES:
        values = run[name]
        if not values:
            lines.append(f"| {title} | 0 | | | |")
            continue
        p50, p95 = quantile(values, 0.5), quantile(values, 0.95)
        cells = (f"{p50:.1f}{against(p50, p50_goal)}", f"{p95:.1f}{against(p95, p95_goal)}", f"{max(values):.1f}")
        lines.append(f"| {title} | {len(values)} | {' | '.join(cells)} |")
    return lines


def summary(run: dict[str, Any]) -> str:
    """SUMMARY.md."""
    busy = run.get("busy_model") or "no other model in this run"
    cpu = [f"| {name} | {seconds:.3f} |" for name, seconds in run["cpu_per_audio_second"].items()]
    return "\n".join(
        [
            "# Barge-in over real SIP, one call at a time",
            "",
            f"Measured {run['when']} on {run['machine']}, {run['audio_seconds']:.0f} s of calls in G.722, embedded",
            f"engines, settings changed for the run: `{json.dumps(run['settings'])}`.",
            "Command: `scripts/bench_streaming_bargein.py`; both ends and all daemons share this machine.",
            "",
            "Onset: when the phone sent the first packet of the interruption above -50 dBFS RMS. Silence: the last",
            "packet above that level which reached the phone before 300 ms of quiet. End of an utterance: its last",
            "audible packet.",
            "",
            f"Verdict: **{verdict(run)}** (thresholds: the goals below; see the script's help).",
            "",
            *table(run),
            "",
            soak_line(run),
            "",
            f"Interruptions that did not silence the answer: {run['not_silenced']}. Utterances without an answer:",
            f"{run['unanswered']}. Answers that had ended before the interruption came (not counted):",
            f"{run['finished_before_interruption']}.",
            "",
            "| CPU seconds per second of call | |",
            "|---|---|",
            *cpu,
            "",
            "The embedded model has usually finished before anybody can interrupt it; slots were measured with",
            f"{busy} (random weights; `busy-slot/run.json`).",
            "",
            "![one interrupted turn](timeline.png)",
            "![distributions](distributions.png)",
            "",
        ]
    )


def plot_timeline(run: dict[str, Any], path: Path) -> None:
    """Levels of both directions of one interrupted turn."""
    figure, axes = plt.subplots(2, 1, sharex=True, sharey=True, figsize=(11, 5))
    for axis, who, colour in zip(axes, ("caller", "assistant"), ("tab:blue", "tab:orange"), strict=True):
        times = [at for at, _ in run["timeline"].get(who, [])]
        levels = [max(level, -70) for _, level in run["timeline"].get(who, [])]
        axis.fill_between(times, -70, levels, step="post", color=colour)
        axis.axhline(AUDIBLE_DBFS, color="grey", linewidth=0.6, linestyle="--")
        axis.set_ylabel(f"{who}\ndBFS")
    axes[1].set_xlabel("seconds")
    axes[0].set_title("One interrupted turn: packet levels on the caller's wire (dashed: audible)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_distributions(run: dict[str, Any], path: Path) -> None:
    """Share of cases by time, one panel a measure."""
    figure, grid = plt.subplots(2, len(MEASURES) // 2, figsize=(2 * len(MEASURES), 7))
    for axis, (name, title, p50_goal, p95_goal) in zip(grid.flat, MEASURES, strict=True):
        values = sorted(run[name])
        axis.step(values, [(index + 1) / len(values) for index in range(len(values))], where="post")
        for goal, share in ((p50_goal, 0.5), (p95_goal, 0.95)):
            if goal is not None:
                axis.plot([goal], [share], "r*", markersize=10)
        axis.set_title(title, fontsize=8, wrap=True)
        axis.set_xlabel("% of words" if name == "word_errors" else "ms")
        axis.set_ylim(0, 1.02)
        axis.set_xlim(left=0)
    for row in grid:
        row[0].set_ylabel("share of cases (stars: goals)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with run.json")
    folder: Path = parser.parse_args().folder
    try:
        run = json.loads((folder / "run.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        print(f"{folder / 'run.json'}: {error}; run bench_streaming_bargein.py first", file=sys.stderr)
        return 1
    busy = folder / "busy-slot" / "run.json"
    if busy.exists():
        at_work = json.loads(busy.read_text())
        run |= {"slot_free": at_work["slot_free"], "busy_model": at_work["settings"]["llm"]["model"]}
    soak = folder / "soak.json"
    if soak.exists():
        run["soak"] = json.loads(soak.read_text())
    (folder / "SUMMARY.md").write_text(summary(run))
    plot_timeline(run, folder / "timeline.png")
    plot_distributions(run, folder / "distributions.png")
    print((folder / "SUMMARY.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
