"""`her-os dial`: the assistant calls somebody, and talks to whoever answers."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.clients.phone_client import dial as ask_to_dial
from her_os.settings import load_secrets, load_settings


def dial(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A phone's account, a number (by a trunk), or a sip: URI.")
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have the running assistant call TARGET; returns when it is answered.

    Beyond the house's registered phones only what phone.dial_allowlist names is called.
    """
    settings = load_settings(config)
    secrets = load_secrets(settings.environment.secrets_file)
    if not as_json:
        typer.echo(f"calling {target} ...", err=True)
    answer = asyncio.run(ask_to_dial(settings.phone, secrets.phone_token, target))
    typer.echo(json.dumps(answer) if as_json else f"{target} has answered: call {answer['call_id']}")
