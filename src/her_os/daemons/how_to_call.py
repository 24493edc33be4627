"""What `her-os run` says once everything is ready: whom to call, how, and with which model."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from her_os.settings import Settings


def how_to_call(settings: Settings) -> list[str]:
    """Lines for the log."""
    phone, port = settings.phone, settings.phone.sip_port
    suffix = "" if port == 5060 else f":{port}"
    lines = ["her-os takes calls"]
    if _listens_on(phone.sip_host, "127.0.0.1"):
        lines.append(f"  from this machine:  sip:her@127.0.0.1{suffix}  (no account needed)")
    lines += [
        f"  from another phone: sip:her@{address}{suffix}  (once: her-os phone add NAME)"
        for address in _house_addresses()
        if _listens_on(phone.sip_host, address)
    ]
    lines.append("  with our own test phone: her-os call --help;  softphones: see README.md, 'Call it'")
    lines.append(f"  barge-in: {_barge_in(settings)}")
    lines.append(f"  language model: {_model(settings)}")
    lines.append("  Ctrl-C stops everything in order")
    return lines


def _barge_in(settings: Settings) -> str:
    if settings.environment.enable_barge_in:
        return "on (ENABLE_BARGE_IN=1): speak, and it falls silent"
    return "off; to interrupt it by voice: ./start.sh --barge-in (a change needs a restart)"


def _model(settings: Settings) -> str:
    if settings.llm.model == "embedded":
        return "embedded: tiny, knows its own small talk, the time, timers, sums and contacts; real one: llm.model"
    return settings.llm.model


def _listens_on(bound: str, address: str) -> bool:
    return bound in {"0.0.0.0", address}  # noqa: S104 - compared, not bound


def _house_addresses() -> list[str]:
    """This machine's IPv4 addresses that other machines may reach."""
    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET
    ]
    return [a for a in found if not (ip := ipaddress.ip_address(a)).is_loopback and not ip.is_link_local]
