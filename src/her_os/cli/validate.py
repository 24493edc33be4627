"""`her-os validate`: the record of live calls before barge-in becomes this house's default."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.table import print_table
from her_os.cli.voice_check import check_voice
from her_os.household.call_log import read_call, read_calls
from her_os.household.live_validation import LiveCall, LiveVerdict, add_live_call, examine, judge, read_live_calls
from her_os.settings import Settings, load_settings

_HOW = "phone the assistant with ENABLE_BARGE_IN=1, talk, interrupt it, hang up, and run `her-os validate` again"


def validate(
    show: Annotated[bool, typer.Option("--show", help="Only tell what is recorded; check and record nothing.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Record the call that has just ended, with a check of the voice after it, and say what is still missing.

    Barge-in may become the default (ENABLE_BARGE_IN=1) after three stable calls within 24 hours, at least one of them
    with an interruption. Exit status 0 when that is so, 1 when it is not yet.
    """
    settings = load_settings(config)
    record = settings.environment.state_dir / "live-validation.jsonl"
    calls = read_live_calls(record)
    if not show:
        call = _newest(settings.environment.state_dir / "calls.sqlite3", {call.call_id for call in calls})
        if call is None:
            typer.echo(f"no call has ended since the last check: {_HOW}", err=True)
        else:
            calls.append(_recorded(record, call, settings))
    verdict = judge(calls)
    if as_json:
        typer.echo(json.dumps({**asdict(verdict), "calls": msgspec.to_builtins(calls)}))
    else:
        _print(calls, verdict)
    raise typer.Exit(0 if verdict.validated else 1)


def _newest(log: Path, known: set[str]) -> dict[str, Any] | None:
    """The latest call, if it is over and new. An earlier one cannot be taken any more: nothing was checked after it."""
    latest = next(iter(read_calls(log, 1)), None)
    if latest is None or latest["id"] in known or latest["outcome"] == "open":
        return None
    return read_call(log, latest["id"])


def _recorded(record: Path, call: dict[str, Any], settings: Settings) -> LiveCall:
    check = asyncio.run(check_voice(settings))
    live = examine(call, check.measure.size_bytes if check.measure else 0, check.problems)
    add_live_call(record, live)
    return live


def _print(calls: list[LiveCall], verdict: LiveVerdict) -> None:
    if calls:
        print_table(
            ("call", "ended", "secs", "interrupted", "verdict"), [_row(call) for call in calls], elastic=("verdict",)
        )
    if verdict.validated:
        typer.echo(
            f"Validated: {verdict.stable} stable calls within 24 hours, {verdict.interruptions} interruption(s)."
        )
        typer.echo("Barge-in may be this house's default: set ENABLE_BARGE_IN=1 and restart.")
    for missing in verdict.missing:
        typer.echo(f"Still missing: {missing}.")


def _row(call: LiveCall) -> tuple[str, ...]:
    ended = datetime.fromtimestamp(call.ended_at).strftime("%Y-%m-%d %H:%M")
    verdict = "; ".join(call.complaints) or f"stable, voice checked ({call.voice_bytes} bytes)"
    return (call.call_id, ended, f"{call.ended_at - call.started_at:.0f}", str(len(call.interruptions)), verdict)
