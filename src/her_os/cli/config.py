"""`her-os config`: is the configuration good, and what is in force?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import typer
import yaml

from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.errors import ConfigError
from her_os.daemons.mistakes import find_mistakes
from her_os.settings import Settings, load_secrets, load_settings, read_settings

EXIT_CONFIG = 78

app = typer.Typer(
    help="Check the configuration, or show what is in force.",
    no_args_is_help=True,
)


@app.command()
def check(config: ConfigFile = None) -> None:
    """Look for mistakes in the settings, what they name, the flags and the secrets.

    Files, engines, voices and addresses that are named must be there. Every mistake is told with file, line, field
    and what to write instead. Exit status 78 where there is one.
    """
    settings = read_settings(config)
    mistakes = find_mistakes(settings)
    try:
        load_secrets(settings.environment.secrets_file)
    except ConfigError as error:
        mistakes.append(error)
    for mistake in mistakes:
        typer.echo(f"her-os: {mistake}", err=True)
    if mistakes:
        raise typer.Exit(EXIT_CONFIG)
    typer.echo(f"good: {_origin(settings)}")
    typer.echo(f"good: {settings.environment.secrets_file}")


@app.command()
def show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every setting in force, defaults included. Secrets are never shown."""
    settings = load_settings(config)
    values: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=_plain)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
    else:
        typer.echo(f"# {_origin(settings)}")
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)


def _origin(settings: Settings) -> str:
    return settings.source if Path(settings.source).is_file() else "the defaults (no configuration file)"


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(repr(value))
