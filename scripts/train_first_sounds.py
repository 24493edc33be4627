#!/usr/bin/env python3
"""Trains the judge of first sounds: `src/her_os/data/first_sounds.npz` (see `her_os.audio.first_sounds`).

It learns from espeak-ng's voices, flite's rms, kal and kal16, other prompts of Debian's human speaker than the
turn-taking set has, and noises of other seeds. The test split's voices (slt, awb) and wordings are never heard.

    .venv/bin/python scripts/train_first_sounds.py [--hold-out kal] [--out FILE]
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import turn_taking_sounds as sounds  # noqa: E402
from her_os.audio.first_sounds import CLASSES, INPUTS, FirstSounds, picture  # noqa: E402
from her_os.engines.wake_training.voices import Speaker, say, speakers  # noqa: E402
from make_turn_taking_set import HUMAN_INTERRUPTIONS, INTERRUPTIONS, TELEVISION  # noqa: E402

BACKCHANNELS = (
    "mm hmm", "yeah", "okay", "uh huh", "mm", "mhm", "hmm", "aha", "yes", "yep", "right", "i see", "sure", "oh", "ah",
    "mm hmm", "yeah", "okay", "uh huh",
)  # fmt: skip
TALK = (
    "stop", "stop now", "wait", "wait please", "hold it", "hold on please", "no", "no thanks", "no stop", "not now",
    "hey you", "hello", "excuse me please", "that's enough", "that will do", "be silent", "shut up",
    "please be quiet", "what is it", "what did you say", "what", "when does it begin", "where is my phone",
    "who was that", "why is that", "how are you", "how far is it", "can you stop", "can i ask something",
    "could you wait", "would you repeat it", "cancel it", "cancel the alarm", "set an alarm", "set it to five",
    "turn it off", "turn on the heater", "switch it off", "call my mother", "call the doctor",
    "tell me something else", "give me a minute", "give me the weather", "sorry", "sorry what was that",
    "i want something else", "i need help", "i am hungry", "i have to go", "it is late", "actually no",
    "actually make it eight", "but wait", "but i said monday", "and what about tomorrow", "listen to me",
    "let me think", "let me ask you this", "one more thing", "one moment", "just a second", "just stop",
    "never mind that", "thank you", "thanks that is all", "goodbye", "please stop talking", "please go back",
    "pause it", "pause the story", "quiet please", "enough of that", "forget it", "go back", "repeat that",
    "say that again", "start over", "skip this", "next", "play some music", "read it again", "remind me later",
    "make it shorter", "louder please", "my name is peter", "do you know the time", "does it rain",
    "is there any news", "are you there", "am i late", "will you stop", "the other one",
    "there is someone at the door", "this is wrong", "they are here", "we should leave", "you are wrong",
    "add milk to the list", "put it on the list", "open the window", "close the door", "lights off", "volume down",
    "monday", "seven", "ten minutes", "after lunch", "in the kitchen", "on friday", "from the beginning", "help me",
)  # fmt: skip
"""None of them is in the turn-taking set's test split."""
Floats = NDArray[np.float32]


def voice(rng: random.Random, hold_out: str, held: bool) -> Speaker:
    """Another one each time; flite's more often, for they are nearer to people."""
    fit = [
        s
        for s in speakers()
        if not (s.engine == "flite" and s.name in ("slt", "awb"))
        and (bool(hold_out) and s.name.startswith(hold_out)) is held
    ]
    flite = [s for s in fit if s.engine == "flite"]
    return rng.choice(flite if flite and rng.random() < 0.3 else fit)


def looks(sound: Floats, label: int, rng: np.random.Generator, number: int) -> list[tuple[Floats, int]]:
    """Pictures of its beginning, at several moments, over a line's noise and in its colour."""
    sound = sound[:16_000]
    wave = (sound * (32_768 * 10 ** (rng.uniform(-34, -16) / 20) / np.sqrt((sound**2).mean() + 1e-9))).astype(
        np.float32
    )
    if rng.random() < 0.5:
        wave = sounds._band(wave, 200, rng.uniform(3300, 7000))  # pyright: ignore[reportPrivateUsage]
    tilt = rng.uniform(-0.4, 0.4)
    wave = (wave + tilt * np.concatenate((wave[:1], wave[:-1]))).astype(np.float32)
    wave = np.concatenate((np.zeros(4800, np.float32), wave, np.zeros(8000, np.float32)))
    wave += rng.normal(0, 32_768 * 10 ** (rng.uniform(-75, -50) / 20), len(wave)).astype(np.float32)
    begins = 4800 + int(np.argmax(np.abs(wave[4800:]) > np.abs(wave[4800:]).max() / 12))
    moments = begins + (rng.uniform(0.10, 0.42, number) * 16_000).astype(int)
    return [(picture(wave[max(0, at - 6400) : at]), label) for at in moments]


def noise(rng: np.random.Generator) -> Floats:
    """One of the generators, faster or slower than it makes it."""
    made = list(sounds.NOISES.values())[rng.integers(len(sounds.NOISES))](rng)
    start = int(rng.integers(0, max(1, len(made) - 12_000))) if rng.random() < 0.3 else 0
    step = rng.uniform(0.75, 1.3)
    return np.interp(np.arange(start, len(made) - 1, step), np.arange(len(made)), made).astype(np.float32)


def examples(seed: int, count: int, hold_out: str = "", *, held: bool = False) -> tuple[Floats, NDArray[np.int64]]:
    """Pictures and labels: `count` sounds, a fifth of them noises."""
    rng, choose = np.random.default_rng(seed), random.Random(seed)
    heldout = {text for split in INTERRUPTIONS.values() for text in split}
    talk = [text for text in TALK if text not in heldout or text in INTERRUPTIONS["development"]]
    taken = {name for split in (HUMAN_INTERRUPTIONS, TELEVISION) for names in split.values() for name in names}
    prompts = [f.stem for f in sorted(sounds.HUMAN.glob("*.wav")) if f.stem not in taken and f.stat().st_size > 16_000]
    made: list[tuple[Floats, int]] = []
    for index in range(count):
        label = (0, 1, 0, 1, 2)[index % 5]
        if label == 2:
            sound = noise(rng)
        elif label == 0 and prompts and rng.random() < 0.15:
            sound = sounds.human(choose.choice(prompts))
        else:
            text = choose.choice(talk if label == 0 else BACKCHANNELS)
            sound = say(voice(choose, hold_out, held), text, choose)
        if len(sound) > 800:
            made += looks(sound, label, rng, 6)
    return np.stack([p for p, _ in made]), np.array([label for _, label in made])


def train(pictures: Floats, labels: NDArray[np.int64], seed: int, hidden: int = 64, steps: int = 4000) -> FirstSounds:
    """Softmax over one hidden layer, by Adam; a part of each picture is blanked so that no single spot decides."""
    rng = np.random.default_rng(seed)
    weights = [
        rng.normal(0, np.sqrt(2 / INPUTS), (INPUTS, hidden)), np.zeros(hidden),
        rng.normal(0, np.sqrt(1 / hidden), (hidden, 3)), np.zeros(3),
    ]  # fmt: skip
    weights = [w.astype(np.float32) for w in weights]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for step in range(1, steps + 1):
        chosen = rng.integers(0, len(labels), 192)
        x, y = pictures[chosen] * (rng.random((192, INPUTS), np.float32) > 0.1), labels[chosen]
        hidden_out = np.maximum(x @ weights[0] + weights[1], 0)
        logits = hidden_out @ weights[2] + weights[3]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(192), y] -= 1
        p /= 192
        back = (p @ weights[2].T) * (hidden_out > 0)
        gradients = [x.T @ back, back.sum(0), hidden_out.T @ p, p.sum(0)]
        rate = 1.5e-3 * min(1.0, 2 * (1 - step / steps) + 0.02)
        for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            first, second = moments[index]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            update = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            weight -= (rate * (update + (0.03 * weight if weight.ndim == 2 else 0))).astype(np.float32)
    return FirstSounds(*weights)


def trained(number: int, count: int, hold_out: str = "") -> FirstSounds:
    """One network, on sounds of its own."""
    return train(*examples(1_000_000 * number, count, hold_out), seed=number)


def joined(networks: list[FirstSounds]) -> FirstSounds:
    """Several as one, with the mean of their votes."""
    return FirstSounds(
        np.concatenate([network.hidden for network in networks], axis=1),
        np.concatenate([network.hidden_bias for network in networks]),
        (np.concatenate([network.out for network in networks]) / len(networks)).astype(np.float32),
        np.mean([network.out_bias for network in networks], axis=0).astype(np.float32),
    )


def main() -> None:
    """Train, tell how well it does on what it has not heard, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=int, default=2200, help="to learn from")
    parser.add_argument("--networks", type=int, default=1, help="that vote, each trained on sounds of its own")
    parser.add_argument("--hold-out", default="", help="a voice's first letters: it is tested with, not trained with")
    parser.add_argument("--out", type=Path, default=ROOT / "src" / "her_os" / "data" / "first_sounds.npz")
    options = parser.parse_args()
    network = joined([trained(number, options.sounds, options.hold_out) for number in range(1, options.networks + 1)])
    network.save(options.out)
    if options.hold_out:
        pictures, labels = examples(900_000, 900, options.hold_out, held=True)
        guessed = network.probabilities(pictures).argmax(axis=1)
        for index, name in enumerate(CLASSES):
            row = [int(((labels == index) & (guessed == other)).sum()) for other in range(3)]
            print(f"{name}: {dict(zip(CLASSES, row, strict=True))}")


if __name__ == "__main__":
    main()
