"""The line WebSocket, `GET /v1/line`: a call's sound and control from a room, a browser, or anything that speaks it.

The far end sends `auth`, then `start`; we answer `ready` once somebody listens. Then binary frames of 20 ms go both
ways: little-endian int16, one channel, at the sample rate of `start`. We send ours at the pace they are to be played;
the far end keeps as little of them waiting as its sound system allows, and throws that away at `flush`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CLOSE_BUSY = 1013
CLOSE_WRONG_FRAME = 1003
RATES = (8_000, 16_000, 24_000, 48_000)


class StartLine(msgspec.Struct, frozen=True, tag="start"):
    """Second message of the far end, after `auth`. `caller` is for people and the call log."""

    kind: Literal["room", "browser", "other"] = "other"
    caller: str = ""
    sample_rate: Literal[8000, 16000, 24000, 48000] = 16000


class Played(msgspec.Struct, frozen=True, tag="played"):
    """The answer to `mark` (when its place has been played) and, named `flush`, to `flush` (at once).

    `samples`: how many of all samples we have sent, silence included, have come out of the loudspeaker, at the rate of
    `start`. Those that a flush threw away count as sent and never as played; the count goes on behind them.
    """

    name: str
    samples: int


class Dtmf(msgspec.Struct, frozen=True, tag="dtmf"):
    """Digits, either way."""

    digits: str


class Hangup(msgspec.Struct, frozen=True, tag="hangup"):
    """The call is over, from either side; the socket closes."""

    reason: str = ""


class LineReady(msgspec.Struct, frozen=True, tag="ready"):
    """The call is up."""

    call_id: str
    sample_rate: int


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Throw away what waits to be played, now."""


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Say `played` when everything sent before this has been played."""

    name: str


FarMessage = Played | Dtmf | Hangup
OurMessage = LineReady | Flush | Mark | Dtmf | Hangup
