"""How often a head wakes on sounds, counted as the engine counts, and the thresholds that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_head import WINDOW, Network, embedding_inputs, mel_inputs
from her_os.engines.wake_openwakeword import IN_A_ROW, OF, REST_STEPS
from her_os.engines.wake_training.examples import Said, Tracks

_BLOCK = 4_096
_THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
_HITS_WANTED = 0.97
_EARLIEST, _LATEST = -3, 5
"""A phrase is heard by a hit so many steps from its end."""
Inputs = Callable[[Tracks, NDArray[np.int64]], NDArray[np.float32]]


def first_inputs(tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the first network, for windows named by their last step."""
    return embedding_inputs(tracks.embeddings[windows[:, None] + np.arange(1 - WINDOW, 1)])


def second_inputs(tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same for the second."""
    return mel_inputs(tracks.mels[windows[:, None] + np.arange(1 - WINDOW, 1)])


def score(network: Network, inputs: Inputs, tracks: Tracks, windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """A probability for each window, in pieces that fit into memory."""
    blocks = [network(inputs(tracks, windows[at : at + _BLOCK])) for at in range(0, len(windows), _BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


@dataclass(frozen=True)
class Trial:
    """What both networks said of every window of some tracks."""

    tracks: Tracks
    windows: NDArray[np.int64]
    first: NDArray[np.float32]
    second: NDArray[np.float32]

    def events(self, threshold: float, second_threshold: float = 0.0) -> list[int]:
        """The windows at which a head with these thresholds wakes (the second is 0: the first stage alone)."""
        over = (self.first >= threshold) & (self.second >= second_threshold)
        found: list[int] = []
        for at in np.flatnonzero(over):
            if over[max(0, at - OF + 1) : at + 1].sum() >= IN_A_ROW and (
                not found or self.windows[at] - found[-1] >= REST_STEPS
            ):
                found.append(int(self.windows[at]))
        return found


def listen(first: Network, second: Network, tracks: Tracks) -> Trial:
    """Both networks on all of `tracks`."""
    windows = tracks.windows
    return Trial(
        tracks,
        windows,
        score(first, first_inputs, tracks, windows),
        score(second, second_inputs, tracks, windows),
    )


def answers(said: Said, events: list[int]) -> list[int | None]:
    """For each phrase: how many steps after its end it was heard, None where it was not."""
    at = np.array(events, dtype=np.int64)
    out: list[int | None] = []
    for end in said.ends:
        near = at[(at >= end + _EARLIEST) & (at <= end + _LATEST)]
        out.append(int(near[0]) - end if near.size else None)
    return out


def choose_thresholds(said: Said, heard: Trial, talk: Trial) -> tuple[float, float]:
    """The pair with the fewest false alarms of those that hear nearly every phrase; of those the strictest."""

    def judge(pair: tuple[float, float]) -> tuple[float, int, float]:
        hits = 1 - answers(said, heard.events(*pair)).count(None) / max(1, len(said.ends))
        return (min(hits, _HITS_WANTED), -len(talk.events(*pair)), sum(pair))

    return max([(first, second) for first in _THRESHOLDS for second in _THRESHOLDS], key=judge)
