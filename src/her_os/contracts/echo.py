"""Echo as a conversation sees it: the caller's audio with our own voice taken out of it."""

from __future__ import annotations

from typing import Protocol


class EchoCanceller(Protocol):
    """One stream of the caller, one of ours, 20 ms frames of 16 kHz. Both methods may be called from any thread."""

    def played(self, pcm: bytes) -> None:
        """A frame as it was sent to the caller, silence included. Well under 1 ms."""
        ...

    def clean(self, pcm: bytes) -> bytes:
        """The caller's next frame without our voice, as long as it can come back; silence where it was all there was.

        Well under 1 ms: it runs on the media thread.
        """
        ...


class LineEcho(Protocol):
    """The echo of one line, whose frames take two ways: at once as they arrive, and in order. See EchoCanceller."""

    def played(self, pcm: bytes) -> None:
        """A frame as it was sent to the caller."""
        ...

    def clean_arrival(self, pcm: bytes) -> bytes:
        """MEDIA THREAD. A frame that has just arrived, without our voice."""
        ...

    def clean_in_order(self, pcm: bytes) -> bytes:
        """A frame as it left the jitter buffer, without our voice."""
        ...
