"""The sound of a room: a microphone that gives frames, a loudspeaker that takes what is to be played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

TakeFrame = Callable[[bytes, float], None]
"""20 ms of 16 kHz and `time.monotonic()` when they came. Called on the sound's own thread: copy, and return."""
PullSamples = Callable[[int], bytes]
"""So many bytes of 16 kHz to play now, silence included. Called on the sound's own thread."""


class RoomSound(Protocol):
    """An open microphone and loudspeaker."""

    description: str

    def alive(self) -> bool:
        """Whether sound still flows: False once a device was unplugged."""
        ...

    def close(self) -> None:
        """Stop both; no callback runs after it returns. Idempotent."""
        ...


class OpensSound(Protocol):
    """Finds and opens the room's sound. Blocks: call it in a thread."""

    def __call__(self, take: TakeFrame, pull: PullSamples) -> RoomSound:
        """Raises NoSound, saying what is missing."""
        ...
