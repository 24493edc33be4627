"""sd_notify: tell systemd (or our own supervisor) READY, STATUS, WATCHDOG, STOPPING.

Source: sd_notify(3). A no-op where NOTIFY_SOCKET is not set.
"""

from __future__ import annotations

import os
import socket


def sd_notify(**fields: str) -> bool:
    """Send e.g. `sd_notify(READY="1", STATUS="2 calls")`. True when a listener took it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{key}={value}" for key, value in fields.items()).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(message, address)
        except OSError:
            return False
    return True


def watchdog_interval_s() -> float | None:
    """How often to feed the watchdog (half its timeout), or None when there is none."""
    micros = os.environ.get("WATCHDOG_USEC")
    pid = os.environ.get("WATCHDOG_PID")
    if not micros or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 2_000_000
