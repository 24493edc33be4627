"""How commands explain themselves: plain text that reads well in a pipe, `-h` everywhere, examples below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HELP_OPTIONS = ["-h", "--help"]
_COMPLETION = {"install_completion", "show_completion"}  # would complete the parts, not `her-os` itself
_VERBATIM = "\b\n"


def explain(command: Any, examples: Sequence[str] = ()) -> None:
    """Set a command of typer, and those below it, to our way. `examples` are lines, shown as they are."""
    command.rich_markup_mode = None
    command.context_settings["help_option_names"] = HELP_OPTIONS
    command.params = [param for param in command.params if param.name not in _COMPLETION]
    if examples:
        command.epilog = as_it_is(examples)
    for below in getattr(command, "commands", {}).values():
        explain(below)


def as_it_is(lines: Sequence[str]) -> str:
    """Lines that are not to be wrapped; an empty one begins the next paragraph."""
    return _VERBATIM + "\n".join(lines).replace("\n\n", f"\n\n{_VERBATIM}")
