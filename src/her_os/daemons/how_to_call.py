"""What `her-os run` says once everything is ready: whom to call, how, and with which model."""

from __future__ import annotations

from her_os.daemons.addresses import house_addresses, listens_here, listens_here_only
from her_os.settings import Settings


def how_to_call(settings: Settings) -> list[str]:
    """Lines for the log."""
    phone, port = settings.phone, settings.phone.sip_port
    suffix = "" if port == 5060 else f":{port}"
    lines = ["her-os takes calls"]
    if listens_here(phone):
        lines.append(f"  from this machine:  sip:her@127.0.0.1{suffix}  (no account needed)")
    lines += [
        f"  from another phone: sip:her@{address}{suffix}  (once: her-os phone add NAME)"
        for address in house_addresses(phone)
    ]
    if listens_here_only(phone):
        lines.append(
            f"  from another phone: none can reach {phone.sip_host}; phone.sip_host 0.0.0.0 lets the house call"
        )
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
    if settings.llm.remote:
        return f"{settings.llm.remote_model or 'a model'} at {settings.llm.remote}"
    if settings.llm.model == "embedded":
        return "embedded: tiny, knows its own small talk, the time, timers, sums and contacts; real one: llm.model"
    return settings.llm.model
