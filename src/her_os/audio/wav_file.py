"""A WAV file that grows and stays playable: its sizes are put right while it is written."""

from __future__ import annotations

import os
import struct
from pathlib import Path

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LARGEST = 0xFFFF_FFFF - _HEADER.size


class GrowingWav:
    """int16 PCM WAV, readable by its owner only. After `settle` (or a kill) it plays up to the last settled sample.

    Most players also play what lies beyond. Raises OSError like the file system.
    """

    def __init__(self, path: Path, *, channels: int, sample_rate: int) -> None:
        self.path = path
        self._channels, self._sample_rate = channels, sample_rate
        self._bytes = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(self._file, self._header())

    def write(self, frames: bytes) -> None:
        """Append interleaved samples; beyond the 4 GiB that a WAV can say, they are left out."""
        left = memoryview(frames)[: max(0, _LARGEST - self._bytes)]
        while left:
            written = os.write(self._file, left)
            self._bytes += written
            left = left[written:]

    def settle(self) -> None:
        """Make the header say how much there is."""
        os.pwrite(self._file, self._header(), 0)

    def close(self) -> None:
        self.settle()
        os.close(self._file)

    def _header(self) -> bytes:
        block = 2 * self._channels
        return _HEADER.pack(
            b"RIFF",
            self._bytes + _HEADER.size - 8,
            b"WAVE",
            b"fmt ",
            16,
            1,
            self._channels,
            self._sample_rate,
            self._sample_rate * block,
            block,
            16,
            b"data",
            self._bytes,
        )
