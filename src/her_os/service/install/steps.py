"""What installing does, one step at a time, each said before it is done; a dry run only says it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from her_os.contracts.errors import HerOsError


class Steps:
    """Carries out steps, or with `dry_run` only tells them to `say`."""

    def __init__(self, say: Callable[[str], None], *, dry_run: bool) -> None:
        self.say, self.dry_run = say, dry_run

    def do(self, text: str, action: Callable[[], object]) -> None:
        """Say what is done, then do it. Raises HerOsError when it cannot be done."""
        self.say(text)
        if self.dry_run:
            return
        try:
            action()
        except OSError as error:
            raise HerOsError(f"{text}: {error.strerror or error} ({error.filename})") from error

    def run(self, *command: str | Path) -> None:
        """Run a program. Raises HerOsError with what it printed when it fails."""
        words = [str(word) for word in command]
        self.do(" ".join(words), lambda: run_program(words))

    def copy(self, source: Path, target: Path, mode: int = 0o644) -> None:
        """Copy a file unless the target is the same already."""
        if target.is_file() and target.read_bytes() == source.read_bytes():
            return
        self.do(f"write {target}", lambda: _copy(source, target, mode))

    def write(self, text: str, target: Path) -> None:
        """Write a text of our own unless the target says the same already."""
        if not (target.is_file() and target.read_text() == text):
            self.do(f"write {target}", lambda: _write(text, target))

    def remove(self, path: Path) -> None:
        """Remove a file or folder that is there."""
        if path.is_symlink() or path.is_file():
            self.do(f"remove {path}", path.unlink)
        elif path.is_dir():
            self.do(f"remove {path}", lambda: shutil.rmtree(path))


def run_program(words: Sequence[str]) -> None:
    """Run a program quietly. Raises HerOsError with what it printed when it fails."""
    result = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if result.returncode:
        raise HerOsError(f"{' '.join(words)} failed: {(result.stderr or result.stdout).strip()}")


def _write(text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(target)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    shutil.copyfile(source, fresh)
    fresh.chmod(mode)
    fresh.replace(target)
