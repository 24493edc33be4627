"""Where in its file a setting stands, so that a complaint about it can name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from her_os.contracts.errors import ConfigError


def located(error: ConfigError, source: str) -> ConfigError:
    """The same complaint with file and line, where it is about a setting of the file `source`.

    The line is that of the setting, or of its section where the file leaves the setting to its default. An error
    that names another file, or a line already, is returned as it is.
    """
    if error.line is not None or not error.field or error.file not in {"", source}:
        return error
    try:
        root = yaml.compose(Path(source).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return error
    line, depth = line_of(root, error.field.split("."))
    return ConfigError(error.complaint, file=source, line=line if depth else None, field=error.field)


def line_of(root: yaml.Node | None, steps: Sequence[str]) -> tuple[int | None, int]:
    """The line where the last of `steps` that is there begins, and how many of them are there."""
    node, line = root, start_line(root) if root else None
    for depth, step in enumerate(steps):
        key, node = _child(node, step)
        if node is None:
            return line, depth
        line = start_line(key or node)
    return line, len(steps)


def start_line(node: yaml.Node) -> int | None:
    """The line a node begins in, counted from 1."""
    return node.start_mark.line + 1 if node.start_mark else None


def _child(node: yaml.Node | None, step: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, child) for key, child in node.value if str(key.value) == step), (None, None))
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        return None, node.value[int(step)]
    return None, None
