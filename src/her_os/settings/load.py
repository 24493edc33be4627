"""Settings from a file (or the embedded defaults) and the environment, read once at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from her_os.contracts.errors import ConfigError
from her_os.settings.agreement import find_disagreements
from her_os.settings.loader_agreement import resolve_second_names
from her_os.settings.positions import located
from her_os.settings.schema import Environment, Settings
from her_os.settings.yaml_file import read_yaml

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_NOT_IN_FILE = ("source", "environment")


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this run.

    `path`, else HER_OS_CONFIG, else ./config/her-os.yaml, else the one that ships with her-os.
    Raises ConfigError for anything wrong in the file or in a flag.
    """
    settings = read_settings(path, environ)
    for disagreement in find_disagreements(settings):
        raise located(disagreement, settings.source)
    return settings


def read_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """As `load_settings`, but each setting is judged by itself only: whether they agree is not asked."""
    environ = os.environ if environ is None else environ
    file = _find(path, environ)
    settings = read_yaml(file, Settings) if file else Settings()
    for name in _NOT_IN_FILE:
        if file and getattr(settings, name) != getattr(Settings(), name):
            raise ConfigError("cannot be set in the file; it is an environment flag", file=str(file), field=name)
    source = str(file.resolve()) if file else str(embedded_config_dir() / "her-os.yaml")
    settings = msgspec.structs.replace(settings, source=source, environment=_environment(environ))
    return for_this_model(resolve_second_names(settings))


def for_this_model(settings: Settings) -> Settings:
    """The settings with what `llm.per_model` says of the configured model."""
    flags = settings.llm.per_model.get(settings.llm.model)
    if flags is None:
        return settings
    values = {name: value for name in flags.__struct_fields__ if (value := getattr(flags, name)) is not None}
    return msgspec.structs.replace(settings, llm=msgspec.structs.replace(settings.llm, **values))


def child_environment(settings: Settings) -> dict[str, str]:
    """Our environment, in which a process of ours reads the same settings as we did."""
    return {
        **os.environ,
        "HER_OS_STATE_DIR": str(settings.environment.state_dir),
        "HER_OS_SECRETS_FILE": str(settings.environment.secrets_file),
        "HER_OS_CACHE_DIR": str(settings.environment.cache_dir),
        **({"HER_OS_CONFIG": settings.source} if Path(settings.source).is_file() else {}),
    }


def embedded_config_dir() -> Path:
    """The folder with the configuration that ships with her-os: in the package, or in the checkout it runs from."""
    packaged = Path(str(resources.files("her_os") / "data"))
    return packaged if (packaged / "her-os.yaml").is_file() else Path(__file__).parents[3] / "config"


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and environ.get("HER_OS_CONFIG"):
        path = Path(environ["HER_OS_CONFIG"])
    if path is not None:
        return path.expanduser()
    for file in (Path("config/her-os.yaml"), embedded_config_dir() / "her-os.yaml"):
        if file.is_file():
            return file
    return None


def _environment(environ: Mapping[str, str]) -> Environment:
    defaults = Environment()
    return Environment(
        enable_barge_in=_flag(environ, "ENABLE_BARGE_IN", defaults.enable_barge_in),
        log_level=_level(environ.get("HER_OS_LOG_LEVEL", defaults.log_level)),
        state_dir=Path(environ.get("HER_OS_STATE_DIR", str(defaults.state_dir))).expanduser(),
        cache_dir=Path(environ.get("HER_OS_CACHE_DIR", str(defaults.cache_dir))).expanduser(),
        secrets_file=Path(environ.get("HER_OS_SECRETS_FILE", str(defaults.secrets_file))).expanduser(),
        web_concurrency=_count(environ, "WEB_CONCURRENCY", defaults.web_concurrency),
    )


def _flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    value = environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ConfigError(f"is {value!r}; expected 1 or 0", field=name, file="environment")


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "").strip()
    if value and not value.isdecimal():
        raise ConfigError(f"is {value!r}; expected a whole number", field=name, file="environment")
    return int(value) if value else default


def _level(value: str) -> str:
    level = value.strip().upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigError(
            f"is {value!r}; expected DEBUG, INFO, WARNING or ERROR", field="HER_OS_LOG_LEVEL", file="environment"
        )
    return level
