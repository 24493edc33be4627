"""`her-os phone`: accounts of the phones in the house. Works while the daemon runs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from her_os.cli.options import AsJson, ConfigFile
from her_os.cli.table import print_table
from her_os.contracts.errors import HerOsError
from her_os.settings import Settings, load_settings
from her_os.telephony.sip.accounts import AccountStore

app = typer.Typer(help="Accounts of the phones in the house: add, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name: a-z, 0-9, dot, dash, underscore.")]


@app.command("add")
def add(name: Name, config: ConfigFile = None) -> None:
    """Create an account and show its password, this once."""
    settings = load_settings(config)
    password = _store(settings).add(name)
    phone = settings.phone
    server = phone.advertised_host or "this machine's address in your network"
    typer.echo(f"account   {name}")
    typer.echo(f"password  {password}   (shown once; `her-os phone remove {name}` and `add` make a new one)")
    typer.echo(f"server    {server}, port {phone.sip_port}, UDP")
    typer.echo(f"then call any number, for instance sip:her@{phone.advertised_host or 'ADDRESS'}")
    if phone.allowlist and name not in phone.allowlist:
        typer.echo(f"Note: phone.allowlist is set and does not name {name}; its calls will be refused with 403.")


@app.command("list")
def list_accounts(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the accounts."""
    settings = load_settings(config)
    allowlist = settings.phone.allowlist
    accounts = _store(settings).list()
    rows = [
        {
            "name": account.name,
            "created": account.created,
            "may_call": account.realm == settings.phone.realm and (not allowlist or account.name in allowlist),
        }
        for account in accounts
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    shown_rows: list[tuple[str, str, str]] = []
    for account, row in zip(accounts, rows, strict=True):
        created = datetime.fromtimestamp(account.created).strftime("%Y-%m-%d %H:%M")
        wrong_realm = account.realm != settings.phone.realm
        reason = "no: made for another phone.realm" if wrong_realm else "no: not in phone.allowlist"
        shown_rows.append((account.name, created, "yes" if row["may_call"] else reason))
    if shown_rows:
        print_table(("name", "created", "may call"), shown_rows)
    else:
        typer.echo("No accounts yet; `her-os phone add NAME` makes one.")


@app.command("remove")
def remove(name: Name, config: ConfigFile = None) -> None:
    """Delete an account; its phone is refused from the next request on."""
    if not _store(load_settings(config)).remove(name):
        raise HerOsError(f"there is no account {name!r}; `her-os phone list` shows them")
    typer.echo(f"{name} is removed")


def _store(settings: Settings) -> AccountStore:
    state_dir: Path = settings.environment.state_dir
    return AccountStore(state_dir, settings.phone.realm)
