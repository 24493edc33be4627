"""`her-os preflight`: nine gates between this machine and a first good call."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from her_os.cli.operator import operator_settings
from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.errors import ConfigError
from her_os.daemons.preflight.gate import Gate, Machine
from her_os.daemons.preflight.gates import GATES, Result, exit_status, go_through
from her_os.service.install.layout import Layout, is_installed
from her_os.settings import Settings, read_settings


def preflight(
    config: ConfigFile = None,
    as_json: AsJson = False,
    all_gates: Annotated[bool, typer.Option("--all", help="Go on after a gate that is not passed.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what measures: 0.8 and 0.9, which take a minute.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="0.N", help="This gate; may be given several times.")
    ] = None,
) -> None:
    """Go through the gates: 0.1 environments, 0.2 graphics card, 0.3 model files, 0.4 ports, 0.5 secrets.

    Then 0.6 configuration and units, 0.7 a call to ourselves, 0.8 how soon a cancel frees the language model, 0.9 the
    graphics card's memory. It stops at the first that is not passed and says how to mend it. 0.8 writes what it
    measured where the phone daemon reads its budget; run it on a quiet machine.
    """
    gates = _chosen(only or [], quick)
    settings = _settings(config)
    installed = is_installed()
    machine = Machine(settings, Layout().secrets if installed else settings.environment.secrets_file, installed)
    results = asyncio.run(go_through(machine, gates, all_of_them=all_gates, tell=_silent if as_json else _tell))
    status = exit_status(results)
    if as_json:
        typer.echo(json.dumps({"passed": not status, "gates": [asdict(result) for result in results]}, indent=2))
    elif not status:
        typer.echo(f"all {len(results)} gates passed")
    raise typer.Exit(status)


def _chosen(only: list[str], quick: bool) -> list[Gate]:
    known = {f"0.{gate.NUMBER}": gate for gate in GATES}
    if unknown := [name for name in only if name not in known]:
        raise ConfigError(f"is {unknown[0]!r}; the gates are {', '.join(known)}", field="--only")
    chosen = [known[name] for name in known if name in only] or list(GATES)
    return [gate for gate in chosen if not (quick and gate.MEASURES)]


def _settings(config: Path | None) -> Settings:
    """As the daemons read them, state directory included; what does not agree is for gate 0.6 to tell."""
    if is_installed() and config is None:
        settings = operator_settings(None)
        state, cache = Layout().state
        environment = msgspec.structs.replace(settings.environment, state_dir=state, cache_dir=cache)
        return msgspec.structs.replace(settings, environment=environment)
    return read_settings(config)


def _silent(_result: Result) -> None: ...


def _tell(result: Result) -> None:
    mark = "passed" if result.status == "passed" else "CLOSED"
    typer.echo(f"{result.gate} {mark} {result.name}: {result.detail} ({result.seconds:g} s)")
    if result.remedy:
        typer.echo(f"    remedy: {result.remedy}")
