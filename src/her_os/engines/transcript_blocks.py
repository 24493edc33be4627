"""Long sound in blocks that a recogniser can hold, cut where nobody speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH

_REST = CONVERSATION_RATE * 3 // 10
"""Samples: the quietest 300 ms near the end of a full block is where it is cut, in the middle."""

Block = tuple[int, NDArray[np.float32]]
"""(milliseconds of the recording where it begins, samples -1..1 at 16 kHz)."""


def cut_at_rests(pcm: Iterable[bytes], longest_s: float) -> Iterator[Block]:
    """The whole of `pcm` (16 kHz int16), in order, nothing lost, in blocks of at most `longest_s` seconds."""
    longest, held, begin, rest = int(longest_s * CONVERSATION_RATE), np.zeros(0, np.int16), 0, b""
    for part in pcm:
        whole = rest + part
        even = len(whole) - len(whole) % SAMPLE_WIDTH
        rest = whole[even:]
        held = np.concatenate((held, np.frombuffer(whole[:even], dtype="<i2")))
        while len(held) > longest:
            cut = _quietest(held[:longest])
            yield begin * 1000 // CONVERSATION_RATE, _as_float(held[:cut])
            held, begin = held[cut:], begin + cut
    if len(held):
        yield begin * 1000 // CONVERSATION_RATE, _as_float(held)


def _quietest(block: NDArray[np.int16]) -> int:
    """Where to cut: within the last third."""
    first = len(block) * 2 // 3
    energy = np.cumsum(np.square(block[first:].astype(np.float64)))
    if len(energy) <= _REST:
        return len(block)
    return first + int(np.argmin(energy[_REST:] - energy[:-_REST])) + _REST // 2


def _as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(32_768)
