"""Asks the phone daemon whether somebody is on the line, and to call somebody."""

from __future__ import annotations

from typing import Any, cast

from her_os.clients.http_exchange import exchange_json
from her_os.contracts.errors import HerOsError, SidecarUnavailable
from her_os.settings.schema import Phone

_TIMEOUT_S = 5.0


async def calls_in_progress(phone: Phone, token: str) -> int:
    """Calls in progress; 0 where no phone daemon runs."""
    try:
        _, answer = await exchange_json(
            "phone", phone.api_host, phone.api_port, "GET", "/v1/calls", token, None, timeout_s=_TIMEOUT_S
        )
    except SidecarUnavailable:
        return 0
    body = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    calls = body.get("calls", 0)
    return calls if isinstance(calls, int) else 0


async def dial(phone: Phone, token: str, target: str) -> dict[str, Any]:
    """Have `target` called; returns `{call_id, to}` once it has answered. Raises HerOsError with the reason."""
    status, answer = await exchange_json(
        "phone",
        phone.api_host,
        phone.api_port,
        "POST",
        "/v1/calls",
        token,
        {"to": target},
        timeout_s=phone.ring_timeout_s + _TIMEOUT_S,
    )
    body = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if status != 201:
        raise HerOsError(str(body.get("message") or f"the phone daemon answered {status}"))
    return body
