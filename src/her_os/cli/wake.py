"""`her-os wake train "PHRASE"`: a wake word of the owner's, made offline on their own machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)
Folders = list[Path] | None


@app.callback()
def wake() -> None:
    """The wake word of the room."""


@app.command()
def train(
    phrase: Annotated[str, typer.Argument(metavar="PHRASE", help='What you will say, such as "hey annie".')],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it (default: the state folder).")
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="WAV files of your household saying it, one each: five or more."),
    ] = None,
    speech: Annotated[
        Folders,
        typer.Option(metavar="FOLDER", help="Other speech; half is learnt from, half tested on. May be repeated."),
    ] = None,
    unheard_speech: Annotated[
        Folders, typer.Option(metavar="FOLDER", help="Speech that is tested on only. May be repeated.")
    ] = None,
    music: Annotated[Folders, typer.Option(metavar="FOLDER", help="Music to put behind voices.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives another training.")] = 1,
    config: ConfigFile = None,
) -> None:
    """Train a wake word from synthetic voices, offline, in some minutes; report hits and false alarms.

    Without --speech it uses Asterisk's sound files (Debian: asterisk-core-sounds-en-wav) where they are installed.
    """
    from her_os.engines.wake_head import save_head
    from her_os.engines.wake_training.plan import Plan
    from her_os.engines.wake_training.sounds import USUAL
    from her_os.engines.wake_training.training import make_head

    usual_speech, usual_music = ([folder] if folder.is_dir() else [] for folder in USUAL)
    phrase = " ".join(phrase.lower().split())
    name = f"wake_{re.sub(r'[^a-z0-9]+', '_', phrase).strip('_')}.npz"
    file = out or load_settings(config).environment.state_dir.expanduser() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    head, report = make_head(
        Plan(
            phrase,
            recordings=recordings,
            speech=usual_speech if speech is None else speech,
            unheard_speech=unheard_speech or [],
            music=usual_music if music is None else music,
            seed=seed,
            say=lambda line: typer.echo(line, err=True),
        )
    )
    save_head(file, head)
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"\nwrote {file.resolve()}; to use it, in the configuration:\n  wake:\n    model: {file.resolve()}")
