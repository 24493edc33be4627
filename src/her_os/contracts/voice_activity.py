"""Voice activity as a conversation sees it: a cheap gate for the media thread, a strict detector for the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class VoiceGate(Protocol):
    """First sign of speech. MEDIA THREAD: microseconds a frame. May fire on tones and clicks."""

    def is_voice(self, pcm: bytes) -> bool:
        """Whether a 20 ms 16 kHz frame (640 bytes) sounds like a voice."""
        ...


class SpeechDetector(Protocol):
    """Confirmation: the probability that a window is speech. Event loop; well under 1 ms a frame."""

    window_ms: int

    def push(self, pcm: bytes) -> Sequence[float]:
        """Consume 16 kHz PCM of any length; a probability 0..1 for each window completed, oldest first."""
        ...

    def reset(self) -> None:
        """Forget the past (after a gap in the audio)."""
        ...
