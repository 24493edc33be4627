"""Stretches of speech in a list of packets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from her_os.telephony.test_phone.wire_log import LoggedPacket

GAP_S = 0.2
"""Audible packets further apart than this belong to two stretches: pauses between words stay inside."""


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """From the first audible packet's time to the last one's, on the clock of `time.monotonic()`."""

    first: float
    last: float
    packets: int


def speech_spans(packets: Iterable[LoggedPacket], gap_s: float = GAP_S) -> list[SpeechSpan]:
    """The stretches of audible packets, in order of time."""
    spans: list[SpeechSpan] = []
    for packet in packets:
        if not packet.audible:
            continue
        if spans and packet.at - spans[-1].last <= gap_s:
            spans[-1] = SpeechSpan(spans[-1].first, packet.at, spans[-1].packets + 1)
        else:
            spans.append(SpeechSpan(packet.at, packet.at, 1))
    return spans
