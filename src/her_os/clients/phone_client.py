"""Asks the phone daemon whether somebody is on the line."""

from __future__ import annotations

from typing import Any, cast

from her_os.clients.http_exchange import exchange_json
from her_os.contracts.errors import SidecarUnavailable
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
