"""YAML with positions: values for msgspec, and the line of each field for error messages."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
import yaml

from her_os.contracts.errors import ConfigError
from her_os.settings.positions import line_of, start_line

T = TypeVar("T")
_RENAMED = {"supervision": "is now part of `loader`; delete it, and see config/her-os.yaml"}
_LOCATION = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]+)`")


def read_yaml(path: Path, kind: type[T]) -> T:
    """Read `path` as `kind`, or raise ConfigError naming file, line, field and what was expected."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}); check the path and its permissions", file=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", file=str(path)) from error
    return parse_yaml(text, kind, file=str(path))


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
                raise ConfigError("is given twice; keep one of them", file=file, line=start_line(key), field=here)
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
        if allowed := _allowed_values(_kind_at(kind, steps)):
            what = f"{what}; expected {', '.join(allowed)}"
    return ConfigError(what, file=file, line=line_of(root, steps)[0], field=".".join(steps))


def _unknown_field(path: str, known: list[str]) -> str:
    if path in _RENAMED:
        return _RENAMED[path]
    name = path.rpartition(".")[2]
    known = [one for one in known if one != name]  # it is known elsewhere: another readiness type has it
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown field; did you mean `{close[0]}`?" if close else f"unknown field; known here: {', '.join(known)}"


def _known_fields(kind: Any, steps: list[str]) -> list[str]:
    """The fields of what `steps` lead to; of a choice of structs, all of theirs."""
    kind = _kind_at(kind, steps)
    structs = [one for one in get_args(kind) or (kind,) if _is_section(one)]
    return sorted({f.encode_name for struct in structs for f in msgspec.structs.fields(struct)})


def _kind_at(kind: Any, steps: list[str]) -> Any:
    """The type of the setting that `steps` lead to; None where they lead nowhere that is known."""
    for step in steps:
        if step.isdigit() and get_origin(kind) in {list, tuple}:
            kind = get_args(kind)[0]
        elif _is_section(kind):
            kind = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}.get(step)
        else:
            return None
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _allowed_values(kind: Any) -> list[str]:
    return [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else []
