"""How often a head wakes on sounds, counted as the engine counts, and the threshold that suits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_head import AVERAGED, WINDOW, Network, embedding_inputs, mel_inputs, probability, together
from her_os.engines.wake_openwakeword import REST_STEPS
from her_os.engines.wake_training.examples import Said, Tracks

_BLOCK = 4_096
_NEVER = -30
"""Log odds of what cannot be asked."""
_THRESHOLDS = tuple(percent / 100 for percent in range(20, 100, 2))
_HITS_WANTED = 0.95
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
    """Log odds for each window, in pieces that fit into memory."""
    blocks = [network.log_odds(inputs(tracks, windows[at : at + _BLOCK])) for at in range(0, len(windows), _BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


@dataclass(frozen=True)
class Trial:
    """What a head made of every window of some tracks: log odds, averaged as the engine does."""

    windows: NDArray[np.int64]
    both: NDArray[np.float32]
    first_alone: NDArray[np.float32]
    hours: float

    def events(self, threshold: float, *, first_alone: bool = False) -> list[int]:
        """The windows at which it wakes; `threshold` is a probability."""
        scores = probability(self.first_alone if first_alone else self.both)
        found: list[int] = []
        for at in self.windows[scores >= threshold].tolist():
            if not found or at - found[-1] >= REST_STEPS:
                found.append(at)
        return found


def listen(first: Network, second: Network, tracks: Tracks) -> Trial:
    """Both networks on all of `tracks`."""
    windows = tracks.windows
    of_first = score(first, first_inputs, tracks, windows)
    of_second = score(second, second_inputs, tracks, windows)
    both = together(of_first, of_second)
    return Trial(windows, _averaged(windows, both), _averaged(windows, of_first), tracks.hours)


def _averaged(windows: NDArray[np.int64], log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last windows; where there are not so many in a row, nothing wakes."""
    out = np.full(log_odds.shape, _NEVER, np.float32)
    if len(log_odds) >= AVERAGED:
        mean = np.convolve(log_odds, np.full(AVERAGED, 1 / AVERAGED))[AVERAGED - 1 : len(log_odds)]
        in_a_row = windows[AVERAGED - 1 :] - windows[: 1 - AVERAGED] == AVERAGED - 1
        out[AVERAGED - 1 :][in_a_row] = mean[in_a_row]
    return out


def answers(said: Said, events: list[int]) -> list[int | None]:
    """For each phrase: how many steps after its end it was heard, None where it was not."""
    at = np.array(events, dtype=np.int64)
    out: list[int | None] = []
    for end in said.ends:
        near = at[(at >= end + _EARLIEST) & (at <= end + _LATEST)]
        out.append(int(near[0]) - end if near.size else None)
    return out


def choose_threshold(said: Said, heard: Trial, talk: Trial) -> float:
    """The one with the fewest false alarms of those that hear nearly every phrase; of those the strictest."""

    def judge(threshold: float) -> tuple[float, int, float]:
        hits = 1 - answers(said, heard.events(threshold)).count(None) / max(1, len(said.ends))
        return (min(hits, _HITS_WANTED), -len(talk.events(threshold)), threshold)

    return max(_THRESHOLDS, key=judge)
