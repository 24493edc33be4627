"""From a phrase to a head: speak it, put it into rooms, learn it from other talk, and try it on what was held out.

Voices and speech have three parts: one is learnt from, a second chooses the threshold, a third is only tried on.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.engines.wake_head import Head, Network
from her_os.engines.wake_training.classifier import Recipe, merge, train, untrained
from her_os.engines.wake_training.examples import Said, Tracks, hear_phrases, hear_talk, join, join_said
from her_os.engines.wake_training.phrases import near_misses, spellings, word_salad
from her_os.engines.wake_training.plan import Plan, Report
from her_os.engines.wake_training.recorded_features import RecordedFeatures
from her_os.engines.wake_training.rooms import Wave
from her_os.engines.wake_training.sounds import is_held_out, read_sound, sound_files
from her_os.engines.wake_training.trial import (
    Inputs,
    Trial,
    answers,
    choose_threshold,
    first_inputs,
    listen,
    score,
    second_inputs,
)
from her_os.engines.wake_training.voices import Speaker, say, sounds_like, speakers

_NATURAL_SHARE = 0.4
"""So much is said by flite and pico: few voices, but nearer to a person's than espeak-ng's many."""
_TOGETHER = 3
"""Networks of each stage, trained apart: what fools one seldom fools the others."""
_REAL_ROUNDS = 8
"""Real speech is heard so often, each time in other rooms."""


def make_head(plan: Plan) -> tuple[Head, Report]:
    """Minutes of one CPU. Raises ConfigError for a phrase or folder that cannot be used."""
    return _Workshop(plan).run()


class _Workshop:
    """The sounds at hand, and the order of the work."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._random = plan, random.Random(plan.seed)  # noqa: S311 - no secret
        self._rng = np.random.default_rng(plan.seed)
        self._features = RecordedFeatures()
        self._voices: dict[str, list[Speaker]] = {"learn": [], "choose": [], "try": []}
        for voice in speakers():
            self._voices[voice.part].append(voice)
        self._words = _dictionary()
        self._noises = [wave for file in sound_files(plan.music) if (wave := _read(file)).size]
        if not 1 <= len(plan.phrase.split()) <= 4 or not sounds_like(plan.phrase):
            raise ConfigError(f'{plan.phrase!r} is no wake word; expected one to four words, such as "hey annie"')

    def run(self) -> tuple[Head, Report]:
        plan, tell = self._plan, self._plan.say
        real = self._real_speech()
        household = self._household()
        tell(", ".join(f"{len(voices)} voices to {part}" for part, voices in self._voices.items()))
        tell("speaking the phrase, and listening to it in rooms")
        said, to_choose, to_try = (
            self._said("learn", plan.said, real["learn"]),
            self._said("choose", plan.said // 10, real["choose"]),
            self._said("try", max(100, plan.said // 8), []),
        )
        if household is not None:
            said = join_said([said, household[0]])
        tell("listening to what sounds like it, and to talk")
        talk = join(list(self._talk("learn", 1.0, real["learn"] * _REAL_ROUNDS).values()))
        talk_to_choose = join(list(self._talk("choose", 0.15, real["choose"] * 2).values()))
        tell(f"learning from {len(said.ends)} phrases and {talk.hours:.1f} h of other talk")
        networks = self._learn(said, talk)
        tell("choosing a threshold, and trying it on voices and speech that were held out")
        threshold = choose_threshold(to_choose, listen(*networks, to_choose.tracks), listen(*networks, talk_to_choose))
        head = Head(plan.phrase, *networks, threshold)
        report = Report()
        _count_hits(report, head, to_try)
        if household is not None:
            _count_hits(report, head, household[1])
        for kind, tracks in self._talk("try", 0.1, real["try"]).items():
            _count_alarms(report, head, kind, listen(*networks, tracks))
        return head, report

    # --- sounds -------------------------------------------------------------------------------

    def _someone(self, part: str) -> Speaker:
        natural = [voice for voice in self._voices[part] if voice.engine != "espeak"]
        others = [voice for voice in self._voices[part] if voice.engine == "espeak"]
        return self._random.choice(natural if natural and self._random.random() < _NATURAL_SHARE else others or natural)

    def _said(self, part: str, count: int, real: list[Wave]) -> Said:
        phrases: list[tuple[str, Wave]] = []
        for _ in range(count):
            speaker, text = self._someone(part), self._random.choice(spellings(self._plan.phrase))
            phrases.append((speaker.engine, say(speaker, text, self._random)))
        around = self._salad(part, 200) + real[:200]
        return hear_phrases(phrases, around, self._noises, self._rng, self._features)

    def _salad(self, part: str, count: int) -> list[Wave]:
        return [
            say(self._someone(part), word_salad(self._words, self._random), self._random) for _ in range(max(20, count))
        ]

    def _talk(self, part: str, share: float, real: list[Wave]) -> dict[str, Tracks]:
        own = sounds_like(self._plan.phrase)
        texts = [text for text in near_misses(self._plan.phrase) if sounds_like(text) != own]
        near = [
            say(self._someone(part), self._random.choice(texts), self._random)
            for _ in range(max(40, round(share * self._plan.near)))
        ]
        waves = {
            "what sounds like it": near,
            "synthetic talk": self._salad(part, round(share * self._plan.talk)),
            "real speech": real,
        }
        return {kind: hear_talk(some, self._noises, self._rng, self._features) for kind, some in waves.items() if some}

    def _real_speech(self) -> dict[str, list[Wave]]:
        """To learn from (half of it, but for every fifth file: those choose), and to be tried on."""
        files = sound_files(self._plan.speech)
        learnt = [file for file in files if not is_held_out(file)]
        tried = [file for file in files if is_held_out(file)] + sound_files(self._plan.unheard_speech)
        parts = {"learn": [f for i, f in enumerate(learnt) if i % 5], "choose": learnt[::5], "try": tried}
        return {part: self._some(some) for part, some in parts.items()}

    def _some(self, files: list[Path]) -> list[Wave]:
        out: list[Wave] = []
        left = self._plan.speech_minutes * 60 * 16_000
        for file in self._random.sample(files, len(files)):
            wave = _read(file)
            if wave.size and left > 0:
                out.append(wave)
                left -= wave.size
        return out

    def _household(self) -> tuple[Said, Said] | None:
        """Recordings of the house, each in several rooms; every fifth is held out."""
        if self._plan.recordings is None:
            return None
        waves = [(file.stem, wave) for file in sound_files([self._plan.recordings]) if (wave := _read(file)).size]
        if len(waves) < 5:
            raise ConfigError(
                f"{len(waves)} recordings that can be used; expected at least five", file=str(self._plan.recordings)
            )
        learnt, tried = [w for i, w in enumerate(waves) if i % 5], [w for i, w in enumerate(waves) if i % 5 == 0]
        times = max(1, self._plan.said // 5 // len(learnt))
        return (
            hear_phrases(learnt * times, [], self._noises, self._rng, self._features),
            hear_phrases(tried, [], self._noises, self._rng, self._features),
        )

    # --- learning -----------------------------------------------------------------------------

    def _learn(self, said: Said, talk: Tracks) -> tuple[Network, Network]:
        tracks, wanted = join([said.tracks, talk]), said.windows()
        others = np.concatenate((said.early(), talk.windows + len(said.tracks.embeddings)))

        def stage(inputs: Inputs) -> Network:
            chosen = np.concatenate((self._rng.choice(wanted, 2_000), self._rng.choice(others, 4_000)))
            some = inputs(tracks, chosen)
            mean, scale = some.mean(axis=0), 1 / (some.std(axis=0) + np.float32(1e-3))
            return merge([self._network(inputs, tracks, wanted, others, mean, scale) for _ in range(_TOGETHER)])

        return stage(first_inputs), stage(second_inputs)

    def _network(
        self,
        inputs: Inputs,
        tracks: Tracks,
        wanted: NDArray[np.int64],
        others: NDArray[np.int64],
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> Network:
        """Three rounds: each next one looks most at what the last one got wrong."""
        network, hard = untrained(mean, scale, self._rng), others
        for round_ in range(3):
            network = train(
                network,
                lambda chosen: inputs(tracks, wanted[chosen]),
                len(wanted),
                lambda windows: inputs(tracks, windows),
                hard,
                self._rng,
                Recipe(steps=2_500 if round_ == 0 else 1_500),
            )
            if round_ < 2:
                scores = score(network, inputs, tracks, others)
                worst = others[np.argsort(scores)[-max(500, len(others) // 30) :]]
                some = self._rng.choice(others, min(len(others), 2 * len(worst)), replace=False)
                hard = np.concatenate((worst, some))
        self._plan.say("one network more")
        return network


def _count_hits(report: Report, head: Head, said: Said) -> None:
    trial = listen(head.first, head.second, said.tracks)
    events = trial.events(head.threshold)
    for name, answer in zip(said.names, answers(said, events), strict=True):
        hit, count = report.hits.get(name, (0, 0))
        report.hits[name] = (hit + (answer is not None), count + 1)
        report.delays_ms += [] if answer is None else [answer * 80]


def _count_alarms(report: Report, head: Head, kind: str, trial: Trial) -> None:
    report.false_alarms[kind] = (len(trial.events(head.threshold)), trial.hours)
    report.first_stage_alarms[kind] = len(trial.events(head.threshold, first_alone=True))


def _read(file: Path) -> Wave:
    """Empty for a file that cannot be used."""
    try:
        return read_sound(file)
    except RecognitionError:
        return np.zeros(0, np.float32)


def _dictionary() -> list[str]:
    """Common words to make talk of: the recogniser's dictionary."""
    from importlib.util import find_spec

    spec = find_spec("pocketsphinx")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "model" / "en-us" / "cmudict-en-us.dict"
    words = (line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line)
    return [word for word in words if word.isalpha() and 2 <= len(word) <= 9]
