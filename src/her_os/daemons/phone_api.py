"""The phone daemon's HTTP API: calls in progress, calls of ours, hanging up, putting through. JSON, Bearer token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from her_os.contracts.errors import CapacityError, HerOsError, ProtocolError, SidecarUnavailable
from her_os.daemons.phone_call import CallDesk
from her_os.telephony.sip.dial_plan import DialRefused
from her_os.telephony.sip.errors import CallRefused, NotAcceptable, RequestTimeout
from her_os.telephony.sip_line import SipLine
from her_os.telephony.sip_server import Place, SipServer

log = logging.getLogger(__name__)
Calling = Callable[[], tuple[SipServer, CallDesk] | None]


class PhoneApi:
    """Handlers. `calling` gives the server and the desk once they are there."""

    def __init__(self, calling: Calling) -> None:
        self._calling = calling

    def routes(self) -> list[web.RouteDef]:
        """What the daemon serves."""
        return [
            web.get("/v1/calls", self._list),
            web.post("/v1/calls", self._dial),
            web.delete("/v1/calls/{call_id}", self._hang_up),
            web.post("/v1/calls/{call_id}/transfer", self._transfer),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        parts = self._calling()
        if parts is None:
            return web.json_response({"calls": 0, "lines": []})
        server, desk = parts
        lines = [{"call_id": one.call_id, "uri": one.caller.uri, "answered": one.answered} for one in server.lines()]
        return web.json_response({"calls": desk.calls, "lines": lines})

    async def _dial(self, request: web.Request) -> web.Response:
        """`{"to": "kitchen"}`; answers when the call is answered: 201 with its name."""
        parts = self._calling()
        target = await _target(request)
        if parts is None:
            return _refusal(503, "not_ready", "the phone loop is still starting")
        if not target:
            return _refusal(400, "protocol", '{"to": ...} must name a phone, a number or a sip: URI')
        server, desk = parts

        async def talk(line: SipLine, place: Place) -> None:
            await desk.hold(line, place)

        if desk.busy:
            return _refusal(503, "capacity", "all lines are in use; try again later")
        try:
            line = await server.dial(target, talk)
        except HerOsError as error:
            log.info("no call to %s: %s", target[:80], error.message)
            return _error(error)
        return web.json_response({"call_id": line.call_id, "to": line.caller.uri}, status=201)

    async def _hang_up(self, request: web.Request) -> web.Response:
        line = self._line(request)
        if line is None:
            return _no_such_call(request)
        await line.hang_up("ended by request")
        return web.json_response({"call_id": line.call_id})

    async def _transfer(self, request: web.Request) -> web.Response:
        """`{"to": "kitchen"}`; answers when the far end has been put through."""
        line, parts, target = self._line(request), self._calling(), await _target(request)
        if line is None or parts is None:
            return _no_such_call(request)
        try:
            await line.transfer(parts[0].dial_plan.route(target).uri)
        except HerOsError as error:
            return _error(error)
        return web.json_response({"call_id": line.call_id, "to": target})

    def _line(self, request: web.Request) -> SipLine | None:
        parts = self._calling()
        return parts[0].line_of(request.match_info["call_id"]) if parts else None


async def _target(request: web.Request) -> str:
    try:
        body: Any = await request.json()
    except ValueError:
        return ""
    found = cast("dict[str, Any]", body).get("to", "") if isinstance(body, dict) else ""
    return found if isinstance(found, str) else ""


def _error(error: HerOsError) -> web.Response:
    match error:
        case DialRefused():
            return _refusal(error.status, error.code, error.message)
        case CallRefused():
            return _refusal(502, error.code, error.message)
        case RequestTimeout():
            return _refusal(504, error.code, error.message)
        case CapacityError() | SidecarUnavailable():
            return _refusal(503, error.code, error.message)
        case NotAcceptable() | ProtocolError():
            return _refusal(502, error.code, error.message)
        case _:
            return _refusal(409, error.code, error.message)


def _refusal(status: int, code: str, message: str) -> web.Response:
    headers = {"Retry-After": "30"} if status == 503 else None
    return web.json_response({"error": code, "message": message}, status=status, headers=headers)


def _no_such_call(request: web.Request) -> web.Response:
    return _refusal(404, "no_call", f"there is no call {request.match_info['call_id'][:40]!r}")
