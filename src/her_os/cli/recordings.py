"""`her-os recordings`: removes old calls with all of their traces; says first what it would remove."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.errors import HerOsError
from her_os.daemons.retention import find_expired, remove
from her_os.settings import load_settings

app = typer.Typer(help="Remove old calls with all of their traces.", no_args_is_help=True)


@app.callback()
def _group() -> None:  # pyright: ignore[reportUnusedFunction] - typer calls it
    """Recordings of calls."""


@app.command("prune")
def prune(
    days: Annotated[int | None, typer.Option("--days", min=1, help="Age (default: transcripts.keep_days).")] = None,
    delete: Annotated[bool, typer.Option("--delete/--dry-run", help="Remove, or only say what would be.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say which calls are older than they may be; with --delete remove sound, transcripts, index and log rows."""
    settings = load_settings(config)
    age = days or settings.transcripts.keep_days
    if not age:
        raise HerOsError("calls are kept for ever (transcripts.keep_days is 0); give an age with --days")
    expired = find_expired(settings, time.time() - age * 86_400)
    for call in expired:
        if delete:
            try:
                remove(settings, call)
            except OSError as error:
                raise HerOsError(f"{error.filename}: {error.strerror}; what is left goes with the next run") from error
        row = {"source": call.source, "removed": delete, "calls": call.call_ids, "files": [str(f) for f in call.files]}
        told = f"{'removed' if delete else 'would remove'} {call.source!r}, {len(call.files)} files"
        typer.echo(json.dumps(row) if as_json else told)
    if not expired:
        typer.echo(f"No call is older than {age} days.", err=True)
