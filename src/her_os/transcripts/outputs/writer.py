"""Writes the files of a recording, then tells the index. Implements OutputWriter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from her_os.contracts.transcripts import Summary, Transcript
from her_os.transcripts.outputs import json_file, minutes, srt, text, vtt
from her_os.transcripts.outputs.atomic import sweep, write_atomically

FORMATS: dict[str, Callable[[Transcript, Summary], str]] = {
    ".json": json_file.render,
    ".srt": srt.render,
    ".vtt": vtt.render,
    ".txt": text.render,
}
SUFFIXES = (*FORMATS, ".md")

Index = Callable[[Transcript, tuple[Path, ...]], None]


class FileWriter:
    """Writes into `folder`, or beside each recording where that is None. `index` is told when all files are there."""

    def __init__(self, folder: Path | None = None, index: Index | None = None) -> None:
        self._folder, self._index = folder, index

    def write(self, transcript: Transcript, summary: Summary) -> tuple[Path, ...]:
        """Write everything, atomically; returns the files. The JSON is first: it says whose the others are."""
        source = Path(transcript.source)
        folder = self._folder or source.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(folder)
        base = _free_name(folder, source)
        texts = {suffix: render(transcript, summary) for suffix, render in FORMATS.items()}
        texts[".md"] = minutes.render(transcript, summary, folder=folder)
        paths = tuple(folder / f"{base}{suffix}" for suffix in texts)
        for path, content in zip(paths, texts.values(), strict=True):
            write_atomically(path, content.encode())
        if self._index:
            self._index(transcript, paths)
        return paths


def _free_name(folder: Path, source: Path) -> str:
    """The recording's name without its suffix, unless such files are there and not ours: nothing is overwritten."""
    mark = hashlib.sha256(str(source).encode(errors="surrogateescape")).hexdigest()[:12]
    for base in (source.stem, source.name):
        if _is_ours(folder, base, source):
            return base
    return f"{source.stem[:100]}-{mark}"


def _is_ours(folder: Path, base: str, source: Path) -> bool:
    there = [path for suffix in SUFFIXES if (path := folder / f"{base}{suffix}").exists()]
    if not there:
        return True
    try:
        found = json_file.parse((folder / f"{base}.json").read_bytes())
    except (OSError, ValueError):
        return False
    return found.transcript.source == str(source)
