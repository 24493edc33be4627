"""Sound turned into windows that a classifier learns from. A window is 16 steps of 80 ms, named by its last step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from her_os.engines.wake_features import BANDS, FRAMES, SIZE, STEP_SAMPLES, Features, WakeFeatures
from her_os.engines.wake_head import WINDOW
from her_os.engines.wake_training.rooms import Wave, in_a_room

_BEFORE = 2 * 16_000
_AFTER = 5 * STEP_SAMPLES
_LATEST = 3
"""A window may end so many steps after the phrase and still count as it."""
_SEGMENT_S = 20


@dataclass
class Tracks:
    """Features of many recordings, one after the other. `begins`: the first step of each."""

    embeddings: NDArray[np.float32]
    mels: NDArray[np.float32]
    begins: list[int]

    @property
    def windows(self) -> NDArray[np.int64]:
        """Every window that lies in one recording."""
        ends = [*self.begins[1:], len(self.embeddings)]
        ranges = [np.arange(b + WINDOW - 1, e) for b, e in zip(self.begins, ends, strict=True) if e - b >= WINDOW]
        return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)

    @property
    def hours(self) -> float:
        return len(self.embeddings) * STEP_SAMPLES / 16_000 / 3_600


@dataclass
class Said:
    """Recordings of the phrase; `ends` is the step in which it ends, one for each."""

    tracks: Tracks
    ends: list[int]
    names: list[str]

    def windows(self) -> NDArray[np.int64]:
        """Those that hold the phrase."""
        return np.concatenate([np.arange(end, end + _LATEST + 1) for end in self.ends])

    def early(self) -> NDArray[np.int64]:
        """Those that hold about its first half: they must not wake yet."""
        return np.concatenate([np.arange(end - 7, end - 4) for end in self.ends])


def stack(all_features: Sequence[Features]) -> Tracks:
    """Features of several recordings as one."""
    begins: list[int] = np.cumsum([0, *(len(each.embeddings) for each in all_features)])[:-1].tolist()
    if not all_features:
        return Tracks(np.zeros((0, SIZE), np.float32), np.zeros((0, FRAMES, BANDS), np.float32), [])
    return Tracks(
        np.concatenate([f.embeddings for f in all_features]), np.concatenate([f.mels for f in all_features]), begins
    )


def join(all_tracks: Sequence[Tracks]) -> Tracks:
    """Several tracks as one."""
    begins: list[int] = []
    at = 0
    for tracks in all_tracks:
        begins += [at + begin for begin in tracks.begins]
        at += len(tracks.embeddings)
    embeddings, mels = [t.embeddings for t in all_tracks], [t.mels for t in all_tracks]
    return Tracks(np.concatenate(embeddings), np.concatenate(mels), begins)


def join_said(parts: Sequence[Said]) -> Said:
    """Several recordings of the phrase as one."""
    offsets = np.cumsum([0, *(len(part.tracks.embeddings) for part in parts)]).tolist()
    ends = [end + at for part, at in zip(parts, offsets, strict=False) for end in part.ends]
    return Said(join([part.tracks for part in parts]), ends, [name for part in parts for name in part.names])


def hear_phrases(
    waves: Iterable[tuple[str, Wave]],
    others: Sequence[Wave],
    noises: list[Wave],
    rng: np.random.Generator,
    features: WakeFeatures,
) -> Said:
    """Each wave as the phrase in a room: alone, after other talk, or with talk that follows at once."""
    heard: list[Features] = []
    ends: list[int] = []
    names: list[str] = []
    begin = 0
    for name, wave in waves:
        if wave.size == 0:
            continue
        before, after = np.zeros(_BEFORE, np.float32), np.zeros(_AFTER, np.float32)
        if others and rng.random() < 0.3:
            _put(before, others[int(rng.integers(len(others)))], gap=int(rng.uniform(0.2, 0.8) * 16_000), at_end=True)
        if others and rng.random() < 0.5:
            _put(after, others[int(rng.integers(len(others)))], gap=int(rng.uniform(0.05, 0.3) * 16_000), at_end=False)
        whole = np.concatenate((before, wave, after))
        end = before.size + wave.size
        first = max(0, end - (WINDOW + 12) * STEP_SAMPLES - int(rng.integers(0, STEP_SAMPLES)))
        whole, end = whole[first:], end - first
        features.reset()
        found = features.push(_pcm(in_a_room(whole, rng, noises=noises)))
        heard.append(found)
        ends.append(begin + -(-end // STEP_SAMPLES) - 1)
        names.append(name)
        begin += len(found.embeddings)
    return Said(stack(heard), ends, names)


def hear_talk(
    waves: Iterable[Wave],
    noises: list[Wave],
    rng: np.random.Generator,
    features: WakeFeatures,
    *,
    plain: bool = False,
) -> Tracks:
    """Everything said one after the other, in segments of about 20 s, each in a room of its own (or as it is)."""
    heard: list[Features] = []
    pending: list[Wave] = []
    length = 0
    features.reset()

    def segment() -> None:
        whole = np.concatenate(pending)
        heard.append(features.push(_pcm(whole if plain else in_a_room(whole, rng, noises=noises))))

    for wave in waves:
        pending += [wave, np.zeros(int(rng.uniform(0.05, 0.7) * 16_000), np.float32)]
        length += pending[-1].size + wave.size
        if length >= _SEGMENT_S * 16_000:
            segment()
            pending, length = [], 0
    if pending:
        segment()
    tracks = stack(heard)
    tracks.begins = [0] if heard else []  # one stream: the segments follow each other without a gap
    return tracks


def _put(silence: Wave, talk: Wave, *, gap: int, at_end: bool) -> None:
    room = silence.size - gap
    if room <= 0:
        return
    part = (talk[-room:] if at_end else talk[:room]) * np.float32(0.8)
    if at_end:
        silence[room - part.size : room] = part
    else:
        silence[gap : gap + part.size] = part


def _pcm(wave: Wave) -> bytes:
    whole = wave[: wave.size // STEP_SAMPLES * STEP_SAMPLES]
    return np.clip(np.rint(whole), -32_768, 32_767).astype(np.int16).tobytes()
