"""`her-os free-ports NAME`: the privileged first step of a unit. Is anything in the way of its daemon's start?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from her_os.cli.options import ConfigFile
from her_os.contracts.errors import ConfigError
from her_os.daemons.family import all_endpoints
from her_os.daemons.this_machine import port_hygiene
from her_os.loader.port_hygiene import PortTaken
from her_os.service.logging import setup_logging
from her_os.settings import load_settings

EXIT_UNAVAILABLE = 69


def free_ports(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A daemon: its ports are looked at.")],
    config: ConfigFile = None,
) -> None:
    """Free the ports of a daemon as `loader.port_hygiene` says: end an orphan of ours, name and refuse anyone else.

    Exit status 69 where a port is taken. A wrong configuration is left to the daemon, whose status 78 ends its unit
    for good.
    """
    setup_logging(name)
    try:
        settings = load_settings(config)
    except ConfigError:
        return
    hygiene = port_hygiene(settings, [endpoint for endpoint in all_endpoints(settings) if endpoint.daemon == name])
    try:
        asyncio.run(hygiene.before_start())
    except PortTaken as error:
        typer.echo(f"<3>her-os: {error}", err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from None
