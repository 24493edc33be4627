#!/usr/bin/env python3
"""Ears and head together: held-out requests spoken, sent through G.722, recognised, and answered by the embedded model.

Each case of `embedded_model/heldout.jsonl` and `unseen.jsonl` whose last word is the caller's is spoken by one of
flite's voices in turn; the real recogniser hears it and the real model, in llama.cpp's own server, answers what was
heard. Right is what is right for the text (`embedded_model/evaluate.py`): the one call with its exact arguments, or
the words expected. The same cases from their text are scored beside it.

    .venv/bin/python scripts/bench_spoken_requests.py            # writes benchmark-results/spoken-requests-DATE.md
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from embedded_model import evaluate, server  # noqa: E402
from her_os.engines.stt_pocketsphinx import PocketsphinxEngine  # noqa: E402
from her_os.engines.tts_flite import VOICES, FliteEngine  # noqa: E402
from her_os.settings.load import embedded_config_dir  # noqa: E402
from scripts.bench_stt import FRAME_BYTES, g722, in_a_room, say  # noqa: E402

MODEL = ROOT / "src" / "her_os" / "data" / "her-os-embedded.gguf"


@dataclass(frozen=True)
class Spoken:
    """One case, said and answered."""

    category: str
    voice: str
    text: str
    heard: str
    answer: evaluate.Answer
    right: bool
    right_from_text: bool


def cases(every: int) -> Iterator[dict[str, Any]]:
    """Those that end with something to say; names and labels to be copied are among them."""
    lines = [*evaluate.HELDOUT.read_text().splitlines(), *evaluate.UNSEEN.read_text().splitlines()]
    found = [json.loads(line) for line in lines if line.strip()]
    spoken = [case for case in found if "user" in case or case["messages"][-1]["role"] == "user"]
    yield from spoken[::every]


def with_last_words(case: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The conversation with what was heard in place of what was said."""
    messages = evaluate.conversation(case)
    return [*messages[:-1], {**messages[-1], "content": text}]


def recognise(engine: PocketsphinxEngine, pcm: bytes) -> str:
    """One utterance in a session of its own."""
    session = engine.open_session("bench", "en")
    for at in range(0, len(pcm), FRAME_BYTES):
        session.accept(pcm[at : at + FRAME_BYTES])
    heard = session.finalize().text
    session.close()
    return heard


def run(url: str, engine: PocketsphinxEngine, every: int) -> list[Spoken]:
    """All cases."""
    flite, rng, out = FliteEngine(), np.random.default_rng(0), list[Spoken]()
    flite.load()
    chosen = list(cases(every))
    random.Random(1).shuffle(chosen)
    for number, case in enumerate(chosen):
        voice, text = VOICES[number % len(VOICES)], evaluate.conversation(case)[-1]["content"]
        heard = recognise(engine, g722(in_a_room(say(flite, text, voice), rng)))
        answer = evaluate.ask(url, with_last_words(case, heard)) if heard else evaluate.Answer("", [])
        from_text = evaluate.ask(url, evaluate.conversation(case))
        right, right_text = (evaluate.is_right(case["expect"], each) for each in (answer, from_text))
        out.append(Spoken(case["category"], voice, text, heard, answer, right, right_text))
        print(f"\r{number + 1} of {len(chosen)}, {sum(each.right for each in out)} right", end="", file=sys.stderr)
    return out


def table(spoken: list[Spoken]) -> str:
    """Markdown: by category and voice, and what went wrong."""
    groups: dict[str, list[Spoken]] = defaultdict(list)
    for each in spoken:
        groups[each.category].append(each)
        groups[f"voice {each.voice}"].append(each)
        groups["**all**"].append(each)
    lines = [
        "# Spoken requests, answered by the embedded recogniser and the embedded model\n",
        f"`scripts/bench_spoken_requests.py`, {date.today()}: {len(spoken)} held-out requests (phrasings that neither",
        "model nor recogniser was made from), flite's voices in turn, G.722. Right: the one tool call with its exact",
        "arguments, or the words expected.\n",
        "| | spoken: right | % | from their text: right | of |",
        "|---|---|---|---|---|",
    ]
    for name, group in sorted(groups.items(), key=lambda item: (item[0].startswith("voice"), item[0])):
        right, from_text = sum(each.right for each in group), sum(each.right_from_text for each in group)
        lines.append(f"| {name} | {right} | {100 * right / len(group):.0f} | {from_text} | {len(group)} |")
    lines += ["", "Wrong when spoken:", ""]
    for each in spoken:
        if not each.right:
            said = each.answer.calls or each.answer.content
            lines.append(f"- [{each.category}, {each.voice}] {each.text!r}, heard {each.heard!r} -> {said!r}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take only every so-manieth case")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmark-results" / f"spoken-requests-{date.today()}.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, server.serving(MODEL) as url:
        engine = PocketsphinxEngine(embedded_config_dir() / "domain-phrases.txt", Path(cache))
        engine.load()
        text = table(run(url, engine, given.every))
    given.out.write_text(text)
    print("\n" + text)


if __name__ == "__main__":
    main()
