#!/usr/bin/env python3
"""How often the wake word is heard when it was said, and when it was not: the whole engine, faster than real time.

Hits: held-out synthetic voices in rooms with noise. False alarms: real speech (Asterisk's sound files) looped in ever
new order, speed, room, noise and music for as many hours as are asked for.

    .venv/bin/python scripts/bench_wake_word.py --hours 10 --processes 2 --speech /usr/share/asterisk/sounds

`--networks-alone` leaves out the voice gate and silero, which only ever say no, and is faster: its false alarms are at
least the engine's. It tells both counts for many thresholds (of a head of ours).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]

import msgspec  # noqa: E402
import numpy as np  # noqa: E402

from her_os.audio.pcm import to_pcm  # noqa: E402
from her_os.audio.resample import StreamResampler  # noqa: E402
from her_os.audio.voice_activity import FastVoiceGate  # noqa: E402
from her_os.contracts.audio import FRAME_BYTES  # noqa: E402
from her_os.contracts.errors import RecognitionError  # noqa: E402
from her_os.contracts.wake_word import WakeWord  # noqa: E402
from her_os.engines.wake_features import STEP_SAMPLES  # noqa: E402
from her_os.engines.wake_head import load_head, probability  # noqa: E402
from her_os.engines.wake_openwakeword import REST_STEPS, OpenWakeWordEngine  # noqa: E402
from her_os.engines.wake_registry import find_model  # noqa: E402
from her_os.engines.wake_training.examples import stack  # noqa: E402
from her_os.engines.wake_training.phrases import spellings  # noqa: E402
from her_os.engines.wake_training.recorded_features import RecordedFeatures  # noqa: E402
from her_os.engines.wake_training.rooms import Wave, in_a_room  # noqa: E402
from her_os.engines.wake_training.sounds import is_held_out, read_sound, sound_files  # noqa: E402
from her_os.engines.wake_training.trial import listen  # noqa: E402
from her_os.engines.wake_training.voices import say, speakers  # noqa: E402
from her_os.settings import Settings  # noqa: E402

SEGMENT_S = 60


def file_of(model: str) -> Path:
    """Of a model that a configuration names so."""
    wake = msgspec.structs.replace(Settings().wake, model=model)
    return find_model(msgspec.structs.replace(Settings(), wake=wake))


class Listener:
    """The engine as the daemon runs it: gate and frames of 20 ms."""

    def __init__(self, model: str) -> None:
        self.engine = OpenWakeWordEngine(file_of(model))
        self.engine.load()
        self._gate = FastVoiceGate(mode=2)
        self.phrase = self.engine.phrase

    def reset(self) -> None:
        """Another stream begins."""
        self.engine.reset()

    def hear(self, wave: Wave) -> list[tuple[float, WakeWord]]:
        """Wakes, each with the second at which it came."""
        pcm, found = to_pcm(wave), []
        for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
            frame = pcm[at : at + FRAME_BYTES]
            if (wake := self.engine.feed(frame, voiced=self._gate.is_voice(frame))) is not None:
                found.append(((at + FRAME_BYTES) / 32_000, wake))
        return found


class NetworksAlone:
    """The networks of a head on whole segments. Wakes come with the highest score they reached."""

    LOWEST = 0.5

    def __init__(self, model: str) -> None:
        self._head = load_head(file_of(model))
        self.phrase, self._features = self._head.phrase, RecordedFeatures()

    def hear(self, wave: Wave) -> list[tuple[float, WakeWord]]:
        """As Listener's, with a threshold of LOWEST."""
        self._features.reset()
        pcm = to_pcm(wave[: wave.size // STEP_SAMPLES * STEP_SAMPLES])
        trial = listen(self._head.first, self._head.second, stack([self._features.push(pcm)]))
        scores, found = probability(trial.both), []
        for at in trial.events(self.LOWEST):
            event = scores[(trial.windows >= at) & (trial.windows < at + REST_STEPS)]
            found.append(((at + 1) * STEP_SAMPLES / 16_000, WakeWord(self.phrase, float(event.max()), 0)))
        return found

    def reset(self) -> None:
        """Each segment is heard by itself."""


def hits(listener: Listener | NetworksAlone, count: int, seed: int) -> dict[str, Any]:
    """Phrases of held-out voices, each in a room of its own."""
    rng, chooser = np.random.default_rng(seed), random.Random(seed)
    strangers = [speaker for speaker in speakers() if speaker.part == "try"]
    heard, said, delays, scores = Counter[str](), Counter[str](), list[float](), list[float]()
    for number in range(count):
        speaker = strangers[number % len(strangers)]
        wave = say(speaker, chooser.choice(spellings(listener.phrase)), chooser)
        silence = np.zeros(40_000, np.float32)
        listener.reset()
        found = listener.hear(in_a_room(np.concatenate((silence, wave, silence)), rng))
        end = (silence.size + wave.size) / 16_000
        good = [at - end for at, _ in found if -0.3 <= at - end <= 1.0]
        scores += [max((wake.score for at, wake in found if -0.3 <= at - end <= 1.0), default=0.0)]
        said[speaker.name] += 1
        heard[speaker.name] += bool(good)
        delays += good[:1]
    return {
        "said": sum(said.values()),
        "heard": sum(heard.values()),
        "scores": [round(score, 3) for score in scores],
        "by_voice": {name: [heard[name], said[name]] for name in said},
        "delay_ms": {share: round(1000 * float(np.quantile(delays, share))) for share in (0.5, 0.9, 0.99)},
    }


def false_alarms(
    listener: Listener | NetworksAlone, files: list[Path], noises: list[Wave], hours: float, seed: int
) -> dict[str, Any]:
    """So many hours of other talk. Each alarm with the files it was in."""
    rng, chooser = np.random.default_rng(seed), random.Random(seed)
    waves = []
    for file in files:
        try:
            waves.append((file.name, read_sound(file)))
        except RecognitionError:
            continue
    waves = [(name, wave) for name, wave in waves if wave.size]
    alarms, heard_s, begun = [], 0.0, time.monotonic()
    turned: dict[tuple[str, float], Wave] = {}
    listener.reset()
    while heard_s < hours * 3_600:
        parts, names, length = [], [], 0
        while length < SEGMENT_S * 16_000:
            name, wave = chooser.choice(waves)
            speed = chooser.choice((0.92, 0.96, 1.0, 1.0, 1.04, 1.08))
            if (name, speed) not in turned:
                faster = StreamResampler(round(16_000 * speed), 16_000, align=True).process(to_pcm(wave))
                turned[name, speed] = np.frombuffer(faster, np.int16).astype(np.float32)
            gap = np.zeros(int(rng.uniform(0.05, 0.6) * 16_000), np.float32)
            parts += [turned[name, speed], gap]
            names.append(name)
            length += parts[-1].size + parts[-2].size
        segment = in_a_room(np.concatenate(parts), rng, noises=noises)
        for at, wake in listener.hear(segment):
            alarms.append({"at_s": round(heard_s + at, 1), "score": round(wake.score, 3), "files": names})
        heard_s += segment.size / 16_000
        print(f"{heard_s / 3_600:.2f} h, {len(alarms)} alarms", file=sys.stderr, flush=True)
    return {
        "hours": heard_s / 3_600,
        "recordings": len(waves),
        "distinct_s": round(sum(wave.size for _, wave in waves) / 16_000),
        "alarms": alarms,
        "times_real_time": round(heard_s / (time.monotonic() - begun), 1),
    }


def main() -> None:
    """Run, in as many processes as asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hey_annie")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--phrases", type=int, default=540)
    parser.add_argument("--speech", type=Path, action="append", required=True)
    parser.add_argument("--held-out", action="store_true", help="only the half of the files that is never learnt from")
    parser.add_argument("--music", type=Path, action="append", default=[])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--networks-alone", action="store_true", help="faster, and for many thresholds at once")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.part:
        listener = NetworksAlone(options.model) if options.networks_alone else Listener(options.model)
        files = [file for file in sound_files(options.speech) if is_held_out(file) or not options.held_out]
        noises = [wave for file in sound_files(options.music) if (wave := read_sound(file)).size]
        print(json.dumps(false_alarms(listener, files, noises, options.hours, options.seed)))
        return
    parts = [_start_part(options, number) for number in range(options.processes)]
    listener = NetworksAlone(options.model) if options.networks_alone else Listener(options.model)
    result: dict[str, Any] = {"hits": hits(listener, options.phrases, options.seed)}
    answers = [json.loads(part.communicate()[0]) for part in parts]
    result["false_alarms"] = {
        "hours": round(sum(answer["hours"] for answer in answers), 2),
        "recordings": answers[0]["recordings"],
        "distinct_s": answers[0]["distinct_s"],
        "alarms": [alarm for answer in answers for alarm in answer["alarms"]],
        "times_real_time": round(sum(answer["times_real_time"] for answer in answers), 1),
    }
    peaks, alarms = result["hits"].pop("scores"), result["false_alarms"]["alarms"]
    if options.networks_alone:
        result["thresholds"] = {
            percent / 100: {
                "heard": sum(peak >= percent / 100 for peak in peaks),
                "alarms": sum(alarm["score"] >= percent / 100 for alarm in alarms),
            }
            for percent in range(50, 100, 2)
        }
    out = options.out or ROOT / "benchmark-results" / f"wake-word-{date.today()}.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps(
            {**result, "false_alarms": {**result["false_alarms"], "alarms": len(result["false_alarms"]["alarms"])}}
        )
    )


def _start_part(options: argparse.Namespace, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--part", "--model", options.model, "--seed", str(options.seed + number)]
    command += ["--hours", str(options.hours / options.processes)]
    command += ["--held-out"] if options.held_out else []
    command += ["--networks-alone"] if options.networks_alone else []
    for name in ("speech", "music"):
        command += [word for folder in getattr(options, name) for word in (f"--{name}", str(folder))]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


if __name__ == "__main__":
    main()
