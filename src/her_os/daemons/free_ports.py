"""`python -m her_os.daemons.free_ports NAME`: the privileged first step of a unit, before its daemon starts.

Frees the ports of the daemon as `loader.port_hygiene` says: ends an orphan of ours, names anyone else and refuses the
start with status 69. A wrong configuration is left to the daemon, whose status 78 ends its unit for good. No command
of the CLI, whose modules would double the time that this takes at each start.
"""

from __future__ import annotations

import asyncio
import sys

from her_os.contracts.errors import ConfigError
from her_os.daemons.family import all_endpoints
from her_os.daemons.this_machine import port_hygiene
from her_os.loader.port_hygiene import PortTaken
from her_os.service.logging import setup_logging
from her_os.settings import load_settings

EXIT_UNAVAILABLE = 69


def free_ports(name: str) -> int:
    """Returns the exit status."""
    setup_logging(name)
    try:
        settings = load_settings()
    except ConfigError:
        return 0
    hygiene = port_hygiene(settings, [endpoint for endpoint in all_endpoints(settings) if endpoint.daemon == name])
    try:
        asyncio.run(hygiene.before_start())
    except PortTaken as error:
        sys.stderr.write(f"<3>her-os: {error}\n")  # the priority "error" of the journal
        return EXIT_UNAVAILABLE
    return 0


if __name__ == "__main__":
    raise SystemExit(free_ports(sys.argv[1]))
