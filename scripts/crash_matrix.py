"""Break each daemon of an installed her-os on a real systemd, in the middle of a call, and write down what follows.

    .venv/bin/python -m scripts.crash_matrix [--out benchmark-results]

Needs root. Boots `scripts/systemd-sandbox`, installs, starts the target; then for each daemon: kill -9 and a hang
(SIGSTOP), each with a call in progress; then a crash loop, a reboot, and a stop. Writes crash-matrix-DATE.md and .json.
Exit status 1 where something did not heal as it should.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.system.machine import CALL, DAEMONS, ROOT, Machine, call_events, wait_for

ALL = (*DAEMONS, "loader")
QUESTION = ROOT / "tests" / "data" / "speech" / "what-time-is-it.wav"
FIRST_S, SECOND_S, END_S = 8, 22, 32
"""When the caller asks, in seconds of the call. The fault comes shortly before the first."""
LIMIT_S = {"KILL": 10, "STOP": 45}
"""Within what a daemon should be back."""
PATIENCE_S = 90


@dataclass(frozen=True)
class Row:
    """One fault and what followed. Seconds; `call` says what became of a call in progress."""

    daemon: str
    fault: str
    back_s: float
    all_back_s: float
    """With those that restart with it."""
    restarted: Sequence[str]
    call: str
    good: bool


def invocations(machine: Machine) -> dict[str, str]:
    """Which life each unit is in."""
    return {name: machine.show(name, "InvocationID") for name in ALL}


def dependents(machine: Machine, name: str) -> set[str]:
    """The daemons whose units require this one's."""
    units = machine.show(name, "RequiredBy").split()
    return {unit.removeprefix("her-os-").removesuffix(".service") for unit in units}


def calls_of(machine: Machine) -> list[str]:
    """The ids of all calls that have begun."""
    return re.findall(r"call (\w{12}) from", machine.journal("-u", "her-os-phone"))


def break_one(machine: Machine, name: str, signal: str) -> Row:
    """`signal` to a daemon while a caller talks to it."""
    machine.start_family()
    calls = calls_of(machine)
    before = invocations(machine)
    asked = [word for at in (FIRST_S, SECOND_S) for word in ("--say-at", f"{at}={QUESTION}")]
    with subprocess.Popen(machine.command(*CALL, str(END_S), *asked), stdout=subprocess.PIPE, text=True) as phone:
        wait_for(lambda: len(calls_of(machine)) > len(calls), 20)
        time.sleep(FIRST_S - 2)
        machine.signal(name, signal)
        back_s = wait_for(
            lambda: machine.show(name, "InvocationID") != before[name] and machine.active(name), PATIENCE_S
        )
        all_back_s = back_s + wait_for(lambda: all(machine.active(other) for other in ALL), PATIENCE_S)
        said, _ = phone.communicate(timeout=90)
    after = invocations(machine)
    restarted = [other for other in ALL if after[other] != before[other]]
    kept, call = what_became_of(machine, said)
    others_untouched = set(restarted) == {name} | dependents(machine, name)
    good = others_untouched and (kept or name == "phone") and back_s <= LIMIT_S[signal]
    row = Row(name, f"SIG{signal}", round(back_s, 1), round(all_back_s, 1), restarted, call, good)
    print(row, flush=True)
    return row


def what_became_of(machine: Machine, said: str) -> tuple[bool, str]:
    """Whether the call went on to its end with its last question answered; and in words."""
    events = call_events(said)
    story = machine.journal(f"CALL_ID={calls_of(machine)[-1]}")
    turns = re.findall(r"= (turn \d+ (?:answered|failed|interrupted|silent))(?:;|$)", story, re.MULTILINE)
    ended_s = events[-1]["at_ms"] / 1000
    answered = any(e["event"] == "answers" and e["at_ms"] > SECOND_S * 1000 for e in events)
    spoke = any(e["who"] == "assistant" and FIRST_S * 1000 < e["at_ms"] < SECOND_S * 1000 for e in events)
    kept = answered and ended_s >= END_S - 1
    words = "; ".join(turn.replace("failed", "failed (apology said)") for turn in turns)
    first = "something was heard after the first question" if spoke else "silence after the first question"
    last = "a reply to the second" if answered else "none to the second"
    return kept, f"{'kept' if kept else 'lost'}: {first}, {last} ({words})"


def crash_loop(machine: Machine) -> Row:
    """A voice that ends at once, again and again; then mended."""
    machine.start_family()
    before = invocations(machine)
    folder = "/run/systemd/system/her-os-tts.service.d"
    machine.run(
        "sh", "-c", f"mkdir -p {folder}; printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >{folder}/b.conf"
    )
    machine.run("systemctl", "daemon-reload")
    machine.signal("tts", "KILL")
    failed_s = wait_for(lambda: machine.show("tts", "ActiveState") == "failed", 90)
    wait_for(lambda: "her-os-tts was given up" in machine.journal("-p", "crit", "-b"), 10)
    wait_for(lambda: "DEGRADED" in machine.show("loader", "StatusText"), 30)
    machine.run("rm", f"{folder}/b.conf")
    machine.run("systemctl", "daemon-reload")
    machine.start_family()
    wait_for(lambda: machine.show("loader", "StatusText").startswith("SYSTEM_READY"), 60)
    after = invocations(machine)
    touched = [name for name in ALL if after[name] != before[name]]
    words = "failed; OnFailure= told it; DEGRADED; SYSTEM_READY again once mended"
    return Row("tts", "crash loop", round(failed_s, 1), round(failed_s, 1), touched, words, touched == ["tts"])


def reboot(machine: Machine) -> Row:
    """The machine goes down and comes up by itself."""
    machine.halt()
    began = time.monotonic()
    machine.boot()
    wait_for(lambda: all(machine.active(name) for name in ALL), 120)
    back_s = time.monotonic() - began
    events = call_events(machine.run(*CALL, "5"))
    spoke = any(event["who"] == "assistant" for event in events)
    return Row(
        "all",
        "reboot",
        round(back_s, 1),
        round(back_s, 1),
        ALL,
        "a call is answered" if spoke else "nobody answers",
        spoke,
    )


def stop(machine: Machine) -> Row:
    """The whole stops with a caller on the line."""
    machine.start_family()
    with subprocess.Popen(machine.command(*CALL, "40"), stdout=subprocess.PIPE, text=True) as phone:
        time.sleep(9)
        took_s = machine.stop_family()
        said, _ = phone.communicate(timeout=60)
    events = call_events(said)
    left = machine.run("pgrep", "-u", "her-os", check=False)
    heard = any(event["who"] == "assistant" and event["at_ms"] > 7000 for event in events)
    words = f"goodbye {'heard' if heard else 'not heard'}; processes left: {left.split() or 'none'}"
    return Row("all", "stop", round(took_s, 1), round(took_s, 1), (), words, heard and not left and took_s < 10)


def table(rows: Sequence[Row], first_start_s: float) -> str:
    """Markdown."""
    lines = [
        "# Crash matrix: her-os on a real systemd\n",
        "Made by `python -m scripts.crash_matrix`; all daemons real, the embedded model and voice, on a machine that",
        f"other work kept busy. From nothing to all units active: {first_start_s:.1f} s. A call was in progress",
        f"each time: the fault came 2 s before its first question (at {FIRST_S} s), a second one at {SECOND_S} s.",
        "A call cannot outlive the process that holds it, the phone's: its caller hears silence, and calls again.\n",
        "| daemon | fault | back and ready | with its dependents | units in a new life "
        "| the call, or what else was seen | as it should be |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lives = ", ".join(row.restarted) or "none"
        lines.append(
            f"| {row.daemon} | {row.fault} | {row.back_s} s | {row.all_back_s} s | {lives} | {row.call} "
            f"| {'yes' if row.good else 'NO'} |"
        )
    return "\n".join(lines) + "\n"


def main(out: Path) -> int:
    """Break everything once."""
    box = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    machine = Machine(box)
    machine.boot()
    try:
        machine.her_os("install")
        began = time.monotonic()
        machine.start_family()
        first_start_s = time.monotonic() - began
        rows = [break_one(machine, name, signal) for signal in ("KILL", "STOP") for name in ALL]
        for scenario in (crash_loop, reboot, stop):
            rows.append(scenario(machine))
            print(rows[-1], flush=True)
    finally:
        machine.halt()
        shutil.rmtree(box)
    text, name = table(rows, first_start_s), f"crash-matrix-{datetime.datetime.now(tz=datetime.UTC).date()}"
    (out / f"{name}.md").write_text(text)
    facts = {"first_start_s": round(first_start_s, 1), "rows": [asdict(row) for row in rows]}
    (out / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(text)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    raise SystemExit(main(parser.parse_args().out))
