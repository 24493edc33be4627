"""YAML with positions: values for msgspec, and the line of each field for error messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import yaml

from her_os.contracts.errors import ConfigError

T = TypeVar("T")
LineOf = Callable[[str], int | None]
"""The line of a field such as `phone.sip_port`."""
_RENAMED = {"supervision": "is now part of `loader`; delete it, and see config/her-os.yaml"}
_LOCATION = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]+)`")


def read_yaml(path: Path, kind: type[T]) -> T:
    """Read `path` as `kind`, or raise ConfigError naming file, line, field and what was expected."""
    return parse_yaml(_read(path), kind, file=str(path))


def read_yaml_lines(path: Path, kind: type[T]) -> tuple[T, LineOf]:
    """The same, with a function that tells a field's line, for what is only found out later."""
    text = _read(path)
    value = parse_yaml(text, kind, file=str(path))
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return value, lambda field: _line_of(root, field.split("."))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}); check the path and its permissions", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", file=str(path)) from error


def parse_yaml(text: str, kind: type[T], *, file: str) -> T:
    """Parse YAML text as `kind`; see `read_yaml`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value: Any = yaml.safe_load(text)
        _refuse_duplicates(root, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(
            f"is not valid YAML: {error.problem}; check the indentation and quotes there",
            file=file,
            line=mark.line + 1 if mark else None,
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # odd characters, impossible dates, endless aliases
        raise ConfigError(f"is not YAML that can be read ({str(error).splitlines()[0]})", file=file) from error
    try:
        return msgspec.convert(_empty(kind) if value is None else value, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _explain(str(error), root, kind, file) from error


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise TypeError(f"expected a path, got {value!r}")


def _empty(kind: Any) -> Any:
    """What an empty file is."""
    return [] if get_origin(kind) in {list, tuple} else {}


def _refuse_duplicates(node: yaml.Node | None, file: str, path: str = "") -> None:
    """A key given twice is a slip that YAML would hide: the last one silently wins."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            here = f"{path}.{name}".lstrip(".")
            if name in seen:
                raise ConfigError("is given twice; keep one of them", file=file, line=_start(key), field=here)
            seen.add(name)
            _refuse_duplicates(child, file, here)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_duplicates(child, file, path)


def _explain(message: str, root: yaml.Node | None, kind: type[Any], file: str) -> ConfigError:
    match = _LOCATION.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    keys = re.findall(r"\.([^.\[\]]+)|\[([^\]]*)\]", path)
    steps = [name or index for name, index in keys if index != "..."]
    if unknown := _UNKNOWN.search(what):
        steps.append(unknown["name"])
        what = _unknown_field(".".join(steps), _known_fields(kind, steps[:-1]))
    else:
        what = what[0].lower() + what[1:]
    return ConfigError(what, file=file, line=_line_of(root, steps), field=".".join(steps))


def _unknown_field(path: str, known: list[str]) -> str:
    if path in _RENAMED:
        return _RENAMED[path]
    name = path.rpartition(".")[2]
    known = [one for one in known if one != name]  # it is known elsewhere: another readiness type has it
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown field; did you mean `{close[0]}`?" if close else f"unknown field; known here: {', '.join(known)}"


def _start(node: yaml.Node) -> int | None:
    return node.start_mark.line + 1 if node.start_mark else None


def _line_of(root: yaml.Node | None, steps: list[str]) -> int | None:
    node = root
    line = _start(node) if node else None
    for step in steps:
        key, node = _child(node, step)
        if node is None:
            break
        line = _start(key or node)
    return line


def _child(node: yaml.Node | None, step: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((key, child) for key, child in node.value if str(key.value) == step), (None, None))
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        return None, node.value[int(step)]
    return None, None


def _known_fields(kind: Any, steps: list[str]) -> list[str]:
    """The fields of what `steps` lead to; of a choice of structs, all of theirs."""
    for step in steps:
        if step.isdigit() and get_origin(kind) in {list, tuple}:
            kind = get_args(kind)[0]
            continue
        fields = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
        kind = fields.get(step, kind)
    kinds = get_args(kind) or (kind,)
    structs = [one for one in kinds if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    return sorted({f.encode_name for struct in structs for f in msgspec.structs.fields(struct)})
