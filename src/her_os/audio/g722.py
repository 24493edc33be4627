"""G.722 (ITU-T) at 64 kbit/s: 16 kHz audio in one byte for every two samples.

Both directions are adaptive: an encoder or decoder belongs to one stream, and its bytes must keep their order.
"""

from __future__ import annotations

import G722

from her_os.audio.pcm import samples

SAMPLE_RATE = 16_000
BIT_RATE = 64_000


class G722Encoder:
    """16 kHz int16 PCM to G.722. Feed an even number of samples."""

    def __init__(self) -> None:
        self._codec = G722.G722(SAMPLE_RATE, BIT_RATE)

    def encode(self, pcm: bytes) -> bytes:
        """One byte for every two samples."""
        return self._codec.encode(samples(pcm)) if pcm else b""


class G722Decoder:
    """G.722 to 16 kHz int16 PCM."""

    def __init__(self) -> None:
        self._codec = G722.G722(SAMPLE_RATE, BIT_RATE)

    def decode(self, payload: bytes) -> bytes:
        """Two samples for every byte."""
        return self._codec.decode(payload).tobytes() if payload else b""
