"""The seam to the pocketsphinx library, which has no type information: what of it is used, and nothing else.

Version 5.1. `process_raw` and the constructors hold the interpreter's lock while they run, therefore audio goes in
by short blocks. `best_score` is 1.0001 to the power of the path's log score, comparable between two decoders that
heard the same frames. A segment's `prob` is a posterior probability, a little above 1 by rounding.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, cast

FRAME_MS = 10
"""Length of one acoustic frame: the unit of `start_frame` and `end_frame`."""

IMPOSSIBLE = -536_870_912
"""Log probability of a word that a language model does not have."""


class LanguageModelHandle(Protocol):
    """pocketsphinx.NGramModel: immutable but for caches inside, so decoders that take turns may share one."""

    def prob(self, words: list[str]) -> int: ...


class Hypothesis(Protocol):
    """pocketsphinx.Hypothesis."""

    hypstr: str
    best_score: float


class Segment(Protocol):
    """pocketsphinx.Segment: one word, filler or silence."""

    word: str
    start_frame: int
    end_frame: int
    prob: float


class Decoder(Protocol):
    """pocketsphinx.Decoder. Not thread-safe. Every method may raise RuntimeError."""

    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes, no_search: bool, full_utt: bool) -> int: ...
    def end_utt(self) -> None: ...
    def hyp(self) -> Hypothesis | None: ...
    def seg(self) -> Iterable[Segment] | None: ...
    def set_cmn(self, cmn: str) -> None: ...
    def reinit_feat(self) -> None: ...
    def get_lm(self) -> LanguageModelHandle: ...
    def add_lm(self, name: str, lm: LanguageModelHandle) -> None: ...
    def activate_search(self, search_name: str) -> None: ...


class VoiceDetector(Protocol):
    """pocketsphinx.Vad: the WebRTC voice activity detector."""

    frame_bytes: int

    def is_speech(self, frame: bytes) -> bool: ...


def _library() -> Any:
    return importlib.import_module("pocketsphinx")


def library_version() -> str:
    """Version of the installed pocketsphinx."""
    return importlib.import_module("importlib.metadata").version("pocketsphinx")


def acoustic_model() -> Path:
    """The folder of the English acoustic model that comes with the package."""
    return Path(_library().get_model_path("en-us")) / "en-us"


def general_language_model() -> Path:
    """The general English trigram model that comes with the package."""
    return Path(_library().get_model_path("en-us")) / "en-us.lm.bin"


def general_dictionary() -> Path:
    """The CMU dictionary that comes with the package, 134,000 words."""
    return Path(_library().get_model_path("en-us")) / "cmudict-en-us.dict"


def read_language_model(path: Path) -> LanguageModelHandle:
    """Load a language model apart from a decoder, to ask it for its words."""
    return cast(LanguageModelHandle, _library().NGramModel.readfile(str(path)))


def create_decoder(dictionary: Path, language_model: Path | LanguageModelHandle) -> Decoder:
    """A decoder; 0.2-0.4 s for the general dictionary. Raises RuntimeError for files it cannot load.

    Without the second pass (`fwdflat`) the end of an utterance is 13 times cheaper at the same word error rate. With
    narrower beams a telephone's speech costs 0.32 in place of 0.51 of a core, its end 46 ms in place of 108 (p95 73,
    319), for 16.7 in place of 16.2 % of words wrong; wideband 0.28 for 0.36, 36 for 56 ms, 6.8 for 6.0 %.
    """
    options: dict[str, object] = {
        "loglevel": "FATAL",
        "hmm": str(acoustic_model()),
        "dict": str(dictionary),
        "fwdflat": False,
        "maxhmmpf": 3000,
        "maxwpf": 20,
    }
    make = _library().Decoder
    if isinstance(language_model, Path):
        return cast(Decoder, make(**options, lm=str(language_model)))
    decoder = cast(Decoder, make(**options, lm=None))
    decoder.add_lm("shared", language_model)
    decoder.activate_search("shared")
    return decoder


def create_voice_detector(sample_rate: int, frame_ms: int, mode: int) -> VoiceDetector:
    """A voice detector; `mode` 0 lets most through, 3 least."""
    return cast(VoiceDetector, _library().Vad(mode=mode, sample_rate=sample_rate, frame_length=frame_ms / 1000))


def write_language_model(sentences: Iterable[str], path: Path, discount_mass: float = 0.5) -> None:
    """Build a trigram model from sentences of plain words and write it in ARPA format."""
    builder: Any = importlib.import_module("pocketsphinx.lm").ArpaBoLM(discount_mass=discount_mass)
    builder.read_corpus([f"<s> {sentence} </s>" for sentence in sentences])
    builder.compute()
    with path.open("w", encoding="utf-8") as file:
        builder.write(file)
