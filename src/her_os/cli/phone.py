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
from her_os.daemons.addresses import house_addresses, listens_here_only
from her_os.settings import Settings, load_settings
from her_os.settings.schema import Phone
from her_os.telephony.sip.accounts import AccountStore

app = typer.Typer(help="Accounts of the phones in the house: add, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name: a-z, 0-9, dot, dash, underscore.")]


@app.command("add")
def add(name: Name, config: ConfigFile = None) -> None:
    """Create an account and show its password, this once."""
    settings = load_settings(config)
    password = _store(settings).add(name)
    allowlist = settings.phone.allowlist
    typer.echo(f"account   {name}")
    typer.echo(f"password  {password}   (shown once; `her-os phone remove {name}` and `add` make a new one)")
    for line in _where_to_point(settings.phone, settings.source):
        typer.echo(line)
    if allowlist and name not in allowlist:
        typer.echo(f"Note: phone.allowlist is set and does not name {name}; its calls will be refused with 403.")


def _where_to_point(phone: Phone, source: str) -> list[str]:
    """What to enter in the phone, or what to change first where no phone can reach us."""
    if listens_here_only(phone):
        return [
            f"server    none yet: her-os listens on {phone.sip_host}, which no other machine can reach;",
            f"          set phone.sip_host to 0.0.0.0 in {source} and restart her-os",
        ]
    addresses = house_addresses(phone)
    if not addresses:
        return ["server    this machine has no address in a network at the moment; `ip address` shows them"]
    first, *others = addresses
    suffix = "" if phone.sip_port == 5060 else f":{phone.sip_port}"
    transport = "UDP or TCP" if phone.sip_tcp else "UDP"
    lines = [
        f"server    {first}, port {phone.sip_port}, transport {transport}   (the phone may call it domain or registrar)"
    ]
    if phone.sip_tls_port:
        lines.append(f"          or port {phone.sip_tls_port}, transport TLS")
    if others:
        lines.append(f"          or, from another network of this machine: {', '.join(others)}")
    return [*lines, f"then call any number, for instance sip:her@{first}{suffix}"]


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
