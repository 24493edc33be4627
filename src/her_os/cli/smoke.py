"""`her-os smoke`: make the voice say something and look at every byte of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.voice_check import SENTENCE, VoiceCheck, check_voice
from her_os.settings import load_settings


def smoke(
    config: ConfigFile = None,
    text: Annotated[str, typer.Option(help="What to say.")] = SENTENCE,
    voice: Annotated[str, typer.Option(help="Voice; empty: the configured one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a real synthesis byte by byte. Exit status 1, with the reason, when the voice cannot be heard."""
    check = asyncio.run(check_voice(load_settings(config), text, voice))
    if as_json:
        measured = asdict(check.measure) if check.measure else {}
        found = {"audible": not check.problems, "health": check.health, "problems": check.problems}
        typer.echo(json.dumps({**measured, **found}))
    else:
        _print(check)
    raise typer.Exit(1 if check.problems else 0)


def _print(check: VoiceCheck) -> None:
    if (measure := check.measure) is not None:
        typer.echo(
            f"{measure.content_type}, {measure.size_bytes} bytes, {measure.duration_s:.2f} s\n"
            f"level {measure.rms_dbfs} dBFS (peak {measure.peak_dbfs}), {measure.active_share:.0%} audible, "
            f"{measure.clipped_share:.2%} clipped, level varies by {measure.level_spread_db} dB"
        )
    for problem in check.problems:
        typer.echo(f"the voice fails: {problem}", err=True)
    if check.problems and check.health == 200:
        typer.echo("/health is 200 all the same: restart her-os-tts and look at its log", err=True)
    if not check.problems:
        typer.echo("the voice can be heard")
