"""`her-os calls`: who called, what was said, what was heard, how fast the assistant fell silent."""

from __future__ import annotations

import glob
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.table import print_table, shown
from her_os.contracts.call_journal import CancelTrace
from her_os.contracts.errors import HerOsError
from her_os.household.call_index import CallIndex
from her_os.household.call_log import find_calls, read_call, read_calls
from her_os.settings import Settings, load_settings
from her_os.transcripts.outputs import json_file
from her_os.transcripts.outputs.words import clock, one_line

_HEADERS = ("id", "when", "caller", "secs", "turns", "outcome")
_CUT_OFF = "cut off: the daemon ended"
_MOST_CANDIDATES = 10

_CALL_ID = re.compile(r"[0-9a-f]+")


class _Calls(TyperGroup):
    """The commands of the call log; an id in the place of one is answered with what to type."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and _CALL_ID.fullmatch(args[0]) and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"{args[0]} is not a command; a call is shown by: her-os calls show {args[0]}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Calls, help="The call log: list calls, show one, search what was said.", invoke_without_command=True
)


@app.callback(invoke_without_command=True)
def list_calls(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many calls, newest first.")] = 20,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest calls. `her-os calls show ID` tells one in full."""
    if context.invoked_subcommand:
        return
    settings = load_settings(config)
    calls = read_calls(_log_of(settings), limit)
    if not settings.phone.call_log:
        typer.echo(
            f"The call log is switched off (phone.call_log in {settings.source}); no new call is kept.", err=True
        )
    if as_json:
        typer.echo(json.dumps(calls, indent=2))
    elif calls:
        print_table(_HEADERS, [_row(call) for call in calls], elastic=("caller", "outcome"))
    elif settings.phone.call_log:
        typer.echo("No calls yet.")


def _row(call: dict[str, Any]) -> tuple[str, ...]:
    caller = call["caller_name"] or call["caller_uri"]
    when = datetime.fromtimestamp(call["started_at"]).strftime("%Y-%m-%d %H:%M")
    return (call["id"], when, caller, _seconds(call), str(call["turns"]), _outcome(call))


def _seconds(call: dict[str, Any]) -> str:
    return f"{call['ended_at'] - call['started_at']:.0f}" if call["ended_at"] is not None else "-"


def _outcome(call: dict[str, Any]) -> str:
    return _CUT_OFF if call["outcome"] == "crashed" else call["outcome"]


@app.command("show")
def show_call(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="A call's id, or the beginning of it.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one call: every turn with what the caller heard of it, timings, interruptions."""
    settings = load_settings(config)
    call = _the_call(settings, call_id)
    if as_json:
        typer.echo(json.dumps(call, indent=2))
        return
    typer.echo(f"{call['id']}  {_time(call['started_at'])}  {shown(call['caller_uri'])}  {_outcome(call)}")
    typer.echo(f"{_seconds(call)} s, {call['codec'] or 'no codec'}, {call['mode']}")
    if call["recording"]:
        typer.echo(f"recording: {call['recording']}")
    for turn in call["turns"]:
        _print_turn(turn)
    for note in call["notes"]:
        typer.echo(f"  {_time(note['at'])}  {note['kind']}: {note['text']}")


def _the_call(settings: Settings, beginning: str) -> dict[str, Any]:
    """The one call that is meant, in full. Raises HerOsError where there is none, or more than one."""
    path, listed = _log_of(settings), "`her-os calls` lists them"
    if not beginning:
        raise HerOsError(f"an empty id names no call; {listed}")
    found = find_calls(path, beginning)
    if not found:
        off = "" if settings.phone.call_log else f" (the call log is switched off: phone.call_log in {settings.source})"
        raise HerOsError(f"no call begins with {beginning!r}{off}; {listed}")
    if len(found) > 1 and found[0]["id"] != beginning:
        names = ", ".join(f"{call['id']} ({_time(call['started_at'])})" for call in found[:_MOST_CANDIDATES])
        more = f" and {len(found) - _MOST_CANDIDATES} more" if len(found) > _MOST_CANDIDATES else ""
        raise HerOsError(f"{len(found)} calls begin with {beginning!r}: {names}{more}; give more of the id")
    call = read_call(path, found[0]["id"])
    if call is None:
        raise HerOsError(f"call {found[0]['id']} has just been removed; {listed}")
    return call


@app.command("search")
def search_calls(
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help='What was said; "side by side" in quotes; den*.')],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many places, newest first.")] = 20,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Find words in transcripts: the call, the speaker and the second. Exit status 1 where there are none."""
    hits = CallIndex(_path(config).with_name("call-index.sqlite3")).search(" ".join(words), limit)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(hits), indent=2).decode())
    for hit in () if as_json else hits:
        name = hit.call_id or hit.source
        typer.echo(f"{_time(hit.recorded_at)}  {name}  {clock(hit.at_ms)}  {one_line(f'{hit.speaker}: {hit.text}')}")
    if not hits:
        typer.echo("Nothing found.", err=True)
        raise typer.Exit(1)


@app.command("reindex")
def reindex(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER...", help="Where else transcripts (.json) are.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Make the index anew from the transcript files of the house and of the folders named."""
    index, house = CallIndex(_path(config).with_name("call-index.sqlite3")), _path(config).parent / "transcripts"
    index.clear()
    count = 0
    for file in sorted({file.resolve() for folder in (house, *(folders or ())) for file in folder.rglob("*.json")}):
        try:
            found = json_file.parse(file.read_bytes())
        except (OSError, ValueError):
            continue  # some other program's JSON
        index.put(found.transcript, tuple(path for path in file.parent.glob(f"{glob.escape(file.stem)}.*")))
        count += 1
    typer.echo(f"{count} transcripts indexed")


def _print_turn(turn: dict[str, Any]) -> None:
    if turn["caller_text"]:
        typer.echo(f"  caller  {turn['caller_text']}")
    timing = f"  [first audio after {turn['first_audio_ms']:.0f} ms]" if turn["first_audio_ms"] is not None else ""
    tools = f"  [{turn['tools']}]" if turn["tools"] else ""
    typer.echo(f"  her-os  {turn['reply_text']}{tools}{timing}")
    if turn["outcome"] == "interrupted":
        typer.echo(f"          interrupted; heard: {turn['heard_text']!r}")
    if turn["cancel"]:
        trace = msgspec.json.decode(turn["cancel"], type=CancelTrace)
        legs = ", ".join(f"{leg.name} {leg.milliseconds:.0f} ms{'' if leg.ok else ' FAILED'}" for leg in trace.legs)
        typer.echo(f"          cancelled in {trace.total_ms:.0f} ms: {legs}")
    if turn["error"]:
        typer.echo(f"          failed: {turn['error']}")


def _path(config: Path | None) -> Path:
    return _log_of(load_settings(config))


def _log_of(settings: Settings) -> Path:
    return settings.environment.state_dir / "calls.sqlite3"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
