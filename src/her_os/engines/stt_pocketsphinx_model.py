"""Model files of the embedded recogniser, compiled from the owner's phrases and kept in the cache by content.

Two folders, each written beside its place and then renamed, so that a killed start leaves nothing half done:
`stt-general-HASH` (the CMU dictionary cut down to the words of the general language model: half the memory and time
to load) and `stt-domain-HASH` (language model and dictionary of the household).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from her_os.contracts.errors import ConfigError
from her_os.engines import stt_pocketsphinx_library as library
from her_os.engines.stt_domain_phrases import DomainPhrases, parse_pronunciations
from her_os.engines.stt_pronunciations import Pronunciations

log = logging.getLogger(__name__)

_FORMAT = "1"
"""Raise it when what is written changes, so that older folders are left alone."""

_MODEL, _DICTIONARY, _MISSING = "domain.lm", "words.dict", "missing.txt"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the two decoders find their dictionary and language model."""

    general_dictionary: Path
    general_model: Path
    domain_dictionary: Path
    domain_model: Path


def prepare_model_files(domain: DomainPhrases, cache_dir: Path) -> ModelFiles:
    """Compile what is not in the cache yet (about a second), and warn of words nobody can say.

    Raises ConfigError when the cache cannot be written.
    """
    general = _cached(cache_dir, "stt-general", library.library_version(), _write_general)
    added = {**_shipped_pronunciations(), **domain.pronunciations}
    content = "\n".join(
        [
            library.library_version(),
            *(f"{p.line} {' '.join(p.words)}" for p in domain.phrases),
            *map(str, added.items()),
        ]
    )
    house = _cached(cache_dir, "stt-domain", content, lambda folder: _write_domain(folder, domain, added))
    for complaint in (house / _MISSING).read_text(encoding="utf-8").splitlines():
        line, word = complaint.split()
        log.warning(
            "%s:%s: nobody told how %r sounds, so it cannot be heard; add a line such as: %s = P R IY Y AH",
            domain.file, line, word, word,
        )  # fmt: skip
    return ModelFiles(
        general_dictionary=general / _DICTIONARY,
        general_model=library.general_language_model(),
        domain_dictionary=house / _DICTIONARY,
        domain_model=house / _MODEL,
    )


def forget_model_files(files: ModelFiles) -> None:
    """Remove compiled files that could not be loaded; the next `prepare_model_files` writes them anew."""
    for folder in {files.general_dictionary.parent, files.domain_dictionary.parent}:
        shutil.rmtree(folder, ignore_errors=True)


def _cached(cache_dir: Path, name: str, content: str, write: Callable[[Path], None]) -> Path:
    key = hashlib.sha256(f"{_FORMAT}\n{content}".encode()).hexdigest()[:16]
    place = cache_dir / f"{name}-{key}"
    if place.is_dir():
        return place
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_dir))
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror}); set HER_OS_CACHE_DIR to a folder that can", file=str(cache_dir)
        ) from error
    try:
        write(draft)
        draft.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was faster, and its copy is as good
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return place


def _write_general(folder: Path) -> None:
    model = library.read_language_model(library.general_language_model())
    pronunciations = Pronunciations(library.general_dictionary(), {})
    words = (word for word in pronunciations if model.prob([word]) > library.IMPOSSIBLE)
    _write_lines(folder / _DICTIONARY, pronunciations.lines(words))


def _write_domain(folder: Path, domain: DomainPhrases, added: dict[str, str]) -> None:
    pronunciations = Pronunciations(library.general_dictionary(), added)
    first_lines = domain.first_lines()
    missing = [f"{line} {word}" for word, line in first_lines.items() if not pronunciations.of(word)]
    if len(missing) == len(first_lines):
        raise ConfigError("no word in it has a known pronunciation; is it English?", file=domain.file)
    _write_lines(folder / _DICTIONARY, pronunciations.lines(first_lines))
    _write_lines(folder / _MISSING, missing)
    library.write_language_model((" ".join(phrase.words) for phrase in domain.phrases), folder / _MODEL)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _shipped_pronunciations() -> dict[str, str]:
    text = (resources.files("her_os") / "data" / "pronunciations.txt").read_text(encoding="utf-8")
    return parse_pronunciations(text, file="pronunciations.txt")
