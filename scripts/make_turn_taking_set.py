#!/usr/bin/env python3
"""Makes the labelled turn-taking set: `tests/data/turn_taking/manifest.json`, one recipe a line.

The manifest is all that is committed. `render` makes the sound of a recipe: flite voices, the human prompts of
Debian's asterisk-core-sounds-en-wav, and seeded noise generators. Development and test share no voice, no wording
and no seed; the one human speaker is in both, with other prompts.

    .venv/bin/python scripts/make_turn_taking_set.py [--wav FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import turn_taking_sounds as sounds  # noqa: E402

MANIFEST = ROOT / "tests" / "data" / "turn_taking" / "manifest.json"
Item = dict[str, Any]

VOICES = {"development": ("rms", "kal16"), "test": ("slt", "awb")}
BACKCHANNELS = {
    "development": ("mm hmm", "yeah", "okay", "uh huh"),
    "test": ("mm hmm", "yeah", "okay", "uh huh"),
}
SPEEDS = {"development": (0.95, 1.08), "test": (0.9, 1.0)}
INTERRUPTIONS = {
    "development": (
        "stop", "wait", "no", "hold on", "stop it", "hey", "excuse me", "that is enough", "wait a moment please",
        "what time is it", "no i meant tomorrow", "cancel the timer", "sorry can you repeat that", "be quiet",
        "actually set it to ten minutes", "i have a question", "never mind", "who is calling",
    ),
    "test": (
        "stop talking", "hang on", "no no", "pause", "quiet", "listen", "one second", "let me speak", "please stop",
        "how long does it take", "that is not what i asked", "call my sister", "sorry i did not hear you", "enough",
        "could you set a timer", "but why", "thank you that will do", "turn off the light",
    ),
}  # fmt: skip
HUMAN_INTERRUPTIONS = {
    "development": ("hello", "one-moment-please", "vm-goodbye", "please-try-again", "cancelled", "agent-loggedoff"),
    "test": ("goodbye", "im-sorry", "vm-review", "pbx-invalid", "vm-delete", "to-call-this-number"),
}
TELEVISION = {
    "development": ["demo-congrats", "tt-monkeysintro", "basic-pbx-ivr-main"],
    "test": ["demo-instruct", "tt-weasels", "conf-adminmenu-18"],
}
UTTERANCES = {
    "development": (
        "what time is it in london", "please set a timer for twelve minutes", "who are you", "call my brother now",
        "what is nineteen plus thirty", "could you tell me a joke about dogs", "is it going to rain this afternoon",
        "i would like to hear the news please", "turn off the lamp in the kitchen", "remind me to water the plants",
        "what can you do for me", "do i have any timers running", "add butter and bread to my list",
        "cancel the alarm for tomorrow morning", "how do you spell necessary", "my name is maria",
    ),
    "test": (
        "what day is it tomorrow", "start a timer of seven minutes for the rice", "where are you", "stop the music",
        "how much is eighty minus twelve", "can you read me a poem by keats", "will it be cold on sunday evening",
        "i want to speak to my daughter", "switch the heater on in the bedroom", "remind me at noon to call the bank",
        "tell me what you know about bees", "which timers are still running", "put milk and eggs on the shopping list",
        "wake me at half past six", "what is the capital of norway", "thank you very much for your help",
    ),
}  # fmt: skip
PAUSES_MS = (300, 600, 900)


def make_items(split: str) -> list[Item]:
    """Every item of a split. Levels in dBFS of the loudest 200 ms; a caller is near -22."""
    rng = random.Random(f"turn taking {split}")
    first_seed = 0 if split == "development" else 1000
    items: list[Item] = []

    def add(kind: str, label: str, **recipe: Any) -> None:
        items.append({"id": f"{split[:4]}-{kind}-{len(items)}", "split": split, "kind": kind, "label": label, **recipe})

    for name in sounds.NOISES:
        for number in range(6):
            add("noise", name, seed=first_seed + number, level=rng.choice([-20, -26, -32]))
    for number in range(6):
        add("noise", "television", names=TELEVISION[split], seed=first_seed + number, level=rng.choice([-40, -44, -48]))
    for voice in VOICES[split]:
        for text in BACKCHANNELS[split]:
            for speed in SPEEDS[split]:
                add("backchannel", text, voice=voice, text=text, speed=speed, level=rng.choice([-22, -26, -30]))
        for text in INTERRUPTIONS[split]:
            add("interruption", "flite", voice=voice, text=text, level=rng.choice([-18, -22, -26]))
        for text in UTTERANCES[split]:
            add("utterance", "whole", voice=voice, text=text, level=-22)
            for pause_ms in PAUSES_MS:
                cut = rng.randrange(1, len(text.split()))
                add("pause", f"{pause_ms}", voice=voice, text=text, cut=cut, pause_ms=pause_ms, level=-22)
    for name in HUMAN_INTERRUPTIONS[split]:
        add("interruption", "human", names=[name], text=name.replace("-", " "), level=-22)
    return items


def render(item: Item) -> list[tuple[str, sounds.Wave]]:
    """The sound of an item in pieces: (text, wave); the text of a silence or a noise is empty."""
    if item["kind"] == "noise":
        rng = np.random.default_rng(item["seed"])
        made = sounds.television(rng, item["names"]) if "names" in item else sounds.NOISES[item["label"]](rng)
        return [("", sounds.at_level(made, item["level"]))]
    if "names" in item:
        return [(item["text"], sounds.at_level(sounds.human(item["names"][0]), item["level"]))]
    if item["kind"] != "pause":
        made = sounds.flite(item["text"], item["voice"], item.get("speed", 1.0))
        return [(item["text"], sounds.at_level(made, item["level"]))]
    words = item["text"].split()
    before, after = " ".join(words[: item["cut"]]), " ".join(words[item["cut"] :])
    return [
        (before, sounds.at_level(sounds.flite(before, item["voice"]), item["level"])),
        ("", np.zeros(item["pause_ms"] * 16, np.float32)),
        (after, sounds.at_level(sounds.flite(after, item["voice"]), item["level"])),
    ]


def main() -> None:
    """Write the manifest, and the sounds where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wav", type=Path, help="also write every sound to this folder")
    options = parser.parse_args()
    items = [item for split in VOICES for item in make_items(split)]
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    MANIFEST.write_text("[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n")
    if options.wav:
        options.wav.mkdir(parents=True, exist_ok=True)
        for item in items:
            with wave.open(str(options.wav / f"{item['id']}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(np.concatenate([sound for _, sound in render(item)]).astype(np.int16).tobytes())
    print(f"{len(items)} items -> {MANIFEST.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
