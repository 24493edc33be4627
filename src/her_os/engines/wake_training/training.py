"""From a phrase to a head: speak it, put it into rooms, learn it from other talk, and try it on what was held out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.errors import ConfigError, RecognitionError
from her_os.engines.wake_features import WakeFeatures
from her_os.engines.wake_head import WINDOW, Head, Network, embedding_inputs, mel_inputs
from her_os.engines.wake_openwakeword import IN_A_ROW, OF, REST_STEPS
from her_os.engines.wake_training.classifier import Recipe, train
from her_os.engines.wake_training.examples import Said, Tracks, hear_phrases, hear_talk, join
from her_os.engines.wake_training.phrases import near_misses, spellings, word_salad
from her_os.engines.wake_training.rooms import Wave
from her_os.engines.wake_training.sounds import is_held_out, read_sound, sound_files
from her_os.engines.wake_training.voices import Speaker, say, sounds_like, speakers

_FLITE_SHARE = 0.4
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_BLOCK = 4_096


@dataclass(frozen=True)
class Plan:
    """What to train, from what, how much of it. `speech` is learnt from (half of each folder) and tested on."""

    phrase: str
    recordings: Path | None = None
    """Sound files of people of the house who say the phrase, one each."""
    speech: Sequence[Path] = ()
    unheard_speech: Sequence[Path] = ()
    """Only tested on."""
    music: Sequence[Path] = ()
    said: int = 1_500
    near: int = 1_600
    talk: int = 700
    speech_minutes: int = 45
    seed: int = 1
    say: Callable[[str], None] = lambda _line: None


@dataclass
class Report:
    """How the head did on voices and speech that it never learnt from."""

    hits: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Heard, said; by kind of voice."""
    false_alarms: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """Count and hours; by kind of sound."""
    first_stage_alarms: dict[str, int] = field(default_factory=dict[str, int])
    """Without the second stage."""
    delays_ms: list[int] = field(default_factory=list[int])
    """From the end of the phrase to its hit."""

    def lines(self) -> list[str]:
        """For people."""
        out = [f"hits, {kind}: {hit} of {said} ({hit / max(1, said):.1%})" for kind, (hit, said) in self.hits.items()]
        for kind, (count, hours) in self.false_alarms.items():
            first = self.first_stage_alarms.get(kind, 0)
            out.append(f"false alarms, {kind}: {count} in {hours:.2f} h (the first stage alone: {first})")
        if self.delays_ms:
            out.append(f"answers {np.median(self.delays_ms):.0f} ms after the end of the phrase (median)")
        return out


def make_head(plan: Plan) -> tuple[Head, Report]:
    """Minutes of one CPU. Raises ConfigError for a phrase or folder that cannot be used."""
    return _Workshop(plan).run()


class _Workshop:
    """The sounds at hand, and the order of the work."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._random = plan, random.Random(plan.seed)  # noqa: S311 - no secret
        self._rng = np.random.default_rng(plan.seed)
        self._features = WakeFeatures()
        everyone = speakers()
        self._known = [speaker for speaker in everyone if not speaker.held_out]
        self._strangers = [speaker for speaker in everyone if speaker.held_out]
        self._words = _dictionary()
        if not 1 <= len(plan.phrase.split()) <= 4 or not sounds_like(plan.phrase):
            raise ConfigError(f'{plan.phrase!r} is no wake word; expected one to four words, such as "hey annie"')

    def run(self) -> tuple[Head, Report]:
        plan, tell = self._plan, self._plan.say
        real, unheard = self._real_speech()
        noises = [wave for file in sound_files(plan.music) if (wave := _read(file)).size]
        tell(f"{len(self._known)} voices to learn from, {len(self._strangers)} held out")
        salad = self._salad(self._known, plan.talk)
        tell("speaking the phrase, and what sounds like it")
        said = hear_phrases(
            self._phrases(self._known, plan.said), salad[:200] + real[:200], noises, self._rng, self._features
        )
        household = self._household(noises)
        tell("listening to talk")
        talk = [
            hear_talk(self._near(self._known, plan.near), noises, self._rng, self._features),
            hear_talk(salad, noises, self._rng, self._features),
            *([hear_talk(real, noises, self._rng, self._features)] if real else []),
        ]
        tell(f"learning from {len(said.ends)} phrases and {sum(t.hours for t in talk):.1f} h of other talk")
        head = self._learn(said, household[0], join(talk))
        report = self._try(head, household[1], noises, unheard)
        return head, report

    # --- sounds -------------------------------------------------------------------------------

    def _someone(self, group: Sequence[Speaker]) -> Speaker:
        flite = [speaker for speaker in group if speaker.engine == "flite"]
        others = [speaker for speaker in group if speaker.engine != "flite"]
        return self._random.choice(flite if flite and self._random.random() < _FLITE_SHARE else others or flite)

    def _phrases(self, group: Sequence[Speaker], count: int) -> list[tuple[str, Wave]]:
        out: list[tuple[str, Wave]] = []
        for _ in range(count):
            speaker = self._someone(group)
            text = self._random.choice(spellings(self._plan.phrase))
            out.append((speaker.engine, say(speaker, text, self._random)))
        return out

    def _near(self, group: Sequence[Speaker], count: int) -> list[Wave]:
        own = sounds_like(self._plan.phrase)
        texts = [text for text in near_misses(self._plan.phrase) if sounds_like(text) != own]
        return [say(self._someone(group), self._random.choice(texts), self._random) for _ in range(count)]

    def _salad(self, group: Sequence[Speaker], count: int) -> list[Wave]:
        texts = [word_salad(self._words, self._random) for _ in range(count)]
        return [say(self._someone(group), text, self._random) for text in texts]

    def _real_speech(self) -> tuple[list[Wave], list[Wave]]:
        """To learn from, and to be tried on."""
        files = sound_files(self._plan.speech)
        only_tried = [file for file in files if is_held_out(file)] + sound_files(self._plan.unheard_speech)
        learnt = [file for file in files if not is_held_out(file)]
        return self._some(learnt), self._some(only_tried)

    def _some(self, files: list[Path]) -> list[Wave]:
        out: list[Wave] = []
        left = self._plan.speech_minutes * 60 * 16_000
        for file in self._random.sample(files, len(files)):
            wave = _read(file)
            if wave.size and left > 0:
                out.append(wave)
                left -= wave.size
        return out

    def _household(self, noises: list[Wave]) -> tuple[Said | None, Said | None]:
        """Recordings of the house, each in several rooms; every fifth is held out."""
        if self._plan.recordings is None:
            return None, None
        waves = [(file.stem, wave) for file in sound_files([self._plan.recordings]) if (wave := _read(file)).size]
        if len(waves) < 5:
            raise ConfigError(
                f"{len(waves)} recordings that can be used; expected at least five", file=str(self._plan.recordings)
            )
        learnt, tried = [w for i, w in enumerate(waves) if i % 5], [w for i, w in enumerate(waves) if i % 5 == 0]
        times = max(1, 300 // len(learnt))
        return (
            hear_phrases(learnt * times, [], noises, self._rng, self._features),
            hear_phrases(tried, [], noises, self._rng, self._features),
        )

    # --- learning -----------------------------------------------------------------------------

    def _learn(self, said: Said, household: Said | None, talk: Tracks) -> Head:
        phrases = [said, *([household] if household else [])]
        positives = join([each.tracks for each in phrases])
        offsets = np.cumsum([0, *(len(each.tracks.embeddings) for each in phrases)])
        wanted = np.concatenate([each.windows() + at for each, at in zip(phrases, offsets, strict=False)])
        early = np.concatenate([each.early() + at for each, at in zip(phrases, offsets, strict=False)])
        both = join([positives, talk])
        others = np.concatenate((early, talk.windows + len(positives.embeddings)))
        kept_back = self._rng.random(len(others)) < 0.1
        for_learning, for_threshold = others[~kept_back], others[kept_back]
        networks = [self._network(inputs, both, wanted, for_learning) for inputs in (first_inputs, second_inputs)]
        scores = [
            np.minimum(score(n, i, both, for_threshold), 1)
            for n, i in zip(networks, (first_inputs, second_inputs), strict=True)
        ]
        threshold, wrong = _THRESHOLDS[0], 0
        for threshold in _THRESHOLDS:
            wrong = int(((scores[0] >= threshold) & (scores[1] >= threshold)).sum())
            if wrong <= len(for_threshold) / 5_000:
                break
        self._plan.say(f"threshold {threshold}: {wrong} of {len(for_threshold)} windows kept back are wrong")
        return Head(self._plan.phrase, networks[0], networks[1], threshold, threshold)

    def _network(self, inputs: Inputs, tracks: Tracks, wanted: NDArray[np.int64], others: NDArray[np.int64]) -> Network:
        """Three rounds: each next one looks most at what the last one got wrong."""
        network, hard = None, others
        for round_ in range(3):
            network = train(
                lambda chosen: inputs(tracks, wanted[chosen]),
                len(wanted),
                lambda windows: inputs(tracks, windows),
                hard,
                self._rng,
                Recipe(steps=1_500 if round_ == 0 else 900),
                start=network,
            )
            scores = score(network, inputs, tracks, others)
            worst = others[np.argsort(scores)[-max(500, len(others) // 50) :]]
            some = self._rng.choice(others, min(len(others), 2 * len(worst)), replace=False)
            hard = np.concatenate((worst, some))
        assert network is not None
        return network

    # --- trying -------------------------------------------------------------------------------

    def _try(self, head: Head, household: Said | None, noises: list[Wave], unheard: list[Wave]) -> Report:
        self._plan.say("trying it on voices and speech that were held out")
        report = Report()
        said = hear_phrases(
            self._phrases(self._strangers, max(100, self._plan.said // 4)),
            self._salad(self._strangers, 30),
            noises,
            self._rng,
            self._features,
        )
        _count_hits(report, head, said)
        if household is not None:
            _count_hits(report, head, household)
        talk = {
            "what sounds like it": hear_talk(self._near(self._strangers, 400), noises, self._rng, self._features),
            "synthetic talk": hear_talk(self._salad(self._strangers, 100), noises, self._rng, self._features),
        }
        if unheard:
            talk["real speech"] = hear_talk(unheard, noises, self._rng, self._features)
        for kind, tracks in talk.items():
            both, first = events(head, tracks)
            report.false_alarms[kind] = (len(both), tracks.hours)
            report.first_stage_alarms[kind] = len(first)
        return report


Inputs = Callable[[Tracks, NDArray[np.int64]], NDArray[np.float32]]


def first_inputs(tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the first network, for windows named by their last step."""
    return embedding_inputs(tracks.embeddings[windows[:, None] + np.arange(1 - WINDOW, 1)])


def second_inputs(tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same for the second."""
    return mel_inputs(tracks.mels[windows[:, None] + np.arange(1 - WINDOW, 1)])


def score(network: Network, inputs: Inputs, tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """A probability for each window, in pieces that fit into memory."""
    blocks = [network(inputs(tracks, windows[at : at + _BLOCK])) for at in range(0, len(windows), _BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def events(head: Head, tracks: Tracks) -> tuple[list[int], list[int]]:
    """The windows at which it wakes, as the engine counts: with both stages, and with the first alone."""
    windows = tracks.windows
    first = score(head.first, first_inputs, tracks, windows) >= head.threshold
    second = score(head.second, second_inputs, tracks, windows) >= head.second_threshold
    return _in_a_row(first & second, windows), _in_a_row(first, windows)


def _in_a_row(hits: NDArray[np.bool_], windows: NDArray[np.int64]) -> list[int]:
    found: list[int] = []
    for at in np.flatnonzero(hits):
        if hits[max(0, at - OF + 1) : at + 1].sum() >= IN_A_ROW and (
            not found or windows[at] - found[-1] >= REST_STEPS
        ):
            found.append(int(windows[at]))
    return found


def _count_hits(report: Report, head: Head, said: Said) -> None:
    both, _ = events(head, said.tracks)
    for end, name in zip(said.ends, said.names, strict=True):
        answers = [at for at in both if end - 3 <= at <= end + 5]
        hit, count = report.hits.get(name, (0, 0))
        report.hits[name] = (hit + bool(answers), count + 1)
        report.delays_ms += [(answers[0] - end) * 80] if answers else []


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
