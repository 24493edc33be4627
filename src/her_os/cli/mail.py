"""`her-os mail`: does the mail server take our mail, and what still waits for it?"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path

import msgspec
import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.table import print_table
from her_os.clients.smtp_client import create_smtp_client
from her_os.contracts.errors import ConfigError, HerOsError
from her_os.daemons.transcript_mail import SmtpPostman, letterhead, open_outbox
from her_os.settings import Settings, load_secrets, load_settings
from her_os.transcripts.report_mail import compose

app = typer.Typer(help="Completion mail: try the server, list and send what waits.", no_args_is_help=True)


@app.command("test")
def send_test(config: ConfigFile = None) -> None:
    """Send a mail that says nothing to the configured recipients, now. Exit status 1 with the server's reason."""
    settings = _with_mail(config)
    client = create_smtp_client(settings, load_secrets(settings.environment.secrets_file))
    asyncio.run(client.send(compose([], letterhead(settings), datetime.now().astimezone())))
    typer.echo("taken by the server for " + ", ".join(settings.mail.recipients))


@app.command("send")
def send_waiting(config: ConfigFile = None) -> None:
    """Try everything that waits in the outbox now, whenever its next try is. Exit status 1 where some still waits."""
    settings = _with_mail(config)
    postman = SmtpPostman(settings, load_secrets(settings.environment.secrets_file))
    typer.echo(f"{asyncio.run(postman.round(all_now=True))} sent")
    if left := open_outbox(settings).waiting():
        raise HerOsError(f"{len(left)} still wait: {left[0].reason}")


@app.command("list")
def list_waiting(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the mails that were not sent yet, with the reason of the last try."""
    waiting = open_outbox(load_settings(config)).waiting()
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(waiting), indent=2).decode())
        return
    rows: list[tuple[str, ...]] = []
    for mail in waiting:
        left = f"in {max(0, mail.due_at - time.time()):.0f} s"
        posted = datetime.fromtimestamp(mail.posted_at).strftime("%Y-%m-%d %H:%M")
        rows.append((posted, ", ".join(mail.recipients), str(mail.tries), left, mail.reason))
    if rows:
        print_table(("posted", "to", "tries", "next try", "why not sent"), rows, elastic=("to", "why not sent"))
    else:
        typer.echo("No mail waits.")


def _with_mail(config: Path | None) -> Settings:
    settings = load_settings(config)
    if not settings.mail.host:
        raise ConfigError("is empty: no mail is sent", file=settings.source, field="mail.host")
    return settings
