"""Audio as every part of her-os passes it on: little-endian int16 mono, 20 ms frames.

Inside the phone loop all audio is 16 kHz; codecs and resampling are the line's business.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_WIDTH = 2
"""Bytes a sample, everywhere."""

FRAME_MS = 20
"""Length of a frame on every line, in milliseconds."""

CONVERSATION_RATE = 16_000
"""Samples a second inside the phone loop, both directions."""

FRAME_SAMPLES = CONVERSATION_RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_WIDTH


@dataclass(frozen=True, slots=True)
class InboundFrame:
    """20 ms of the caller, decoded to 16 kHz.

    `pcm` is 640 bytes. `t_arrival` is `time.monotonic()` when the packet it came from was received
    (for a concealed frame: when it was due). `sample_index` counts the caller's 16 kHz samples
    since the call's first frame, so it is a media clock without gaps.
    """

    pcm: bytes
    t_arrival: float
    sample_index: int
    concealed: bool = False


@dataclass(frozen=True, slots=True)
class WordMark:
    """Where a spoken word ends: `text_end` indexes the chunk's text, `sample_end` its audio."""

    text_end: int
    sample_end: int
