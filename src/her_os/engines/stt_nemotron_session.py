"""One caller's stream through a cache-aware model: 20 ms pushes in, a partial for each of the model's chunks out.

The model looks at every chunk once and takes nothing back. So all whole words stand as they come; only the last may
still grow. Caches belong to the session, live from an utterance's first chunk to its final, and are let go of by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import RecognitionError
from her_os.contracts.speech_to_text import Final, Partial, Word
from her_os.engines.own_library import library
from her_os.engines.stt_incremental_features import IncrementalFeatures
from her_os.engines.stt_nemotron_steps import Step, Steps

_BYTES_A_MS = CONVERSATION_RATE * SAMPLE_WIDTH // 1000


@dataclass(frozen=True)
class Chunking:
    """How the model takes features: sizes in frames, the first chunk's and the later ones'."""

    sizes: tuple[int, int]
    shifts: tuple[int, int]
    lookback: tuple[int, int]
    drop_extra: int
    bands: int
    frame_ms: int
    """Of one output, eight frames of features as a rule."""


class NemotronSession:
    """RecognitionSession. `fresh_caches` and `new_features` make what an utterance begins with."""

    def __init__(
        self,
        steps: Steps,
        chunking: Chunking,
        new_features: Callable[[], IncrementalFeatures],
        fresh_caches: Callable[[], tuple[Any, Any, Any]],
        pieces_of: Callable[[Sequence[int]], Sequence[str]],
        on_freed: Callable[[], None],
    ) -> None:
        self._steps, self._chunking = steps, chunking
        self._new_features, self._fresh_caches, self._pieces_of = new_features, fresh_caches, pieces_of
        self._on_freed = on_freed
        self._consumed = 0
        self._utterance = 0
        self._closed = False
        self._odd = b""
        self._begin()

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        self._check_open()
        audio = self._odd + pcm
        whole = len(audio) - len(audio) % SAMPLE_WIDTH
        self._odd = audio[whole:]
        self._consumed += whole
        self._take(self._features.push(audio[:whole]))
        partials: list[Partial] = []
        while self._waiting is not None and self._waiting.shape[2] >= self._chunking.sizes[self._later]:
            told = self._told()
            self._step(last=False)
            if self._told() != told:
                partials.append(self._partial())
        return partials

    def finalize(self) -> Final:
        self._check_open()
        self._take(self._features.push(b"", last=True))
        while self._waiting is not None and self._waiting.shape[2] > 0:
            self._step(last=self._waiting.shape[2] <= self._chunking.sizes[self._later])
        words = self._words()
        final = Final(
            self._utterance, self._start_ms, " ".join(word.text for word in words), self._now_ms, tuple(words)
        )
        self._utterance += 1
        self._free()
        self._begin()
        return final

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._free()

    @property
    def _now_ms(self) -> int:
        return self._consumed // _BYTES_A_MS

    @property
    def _later(self) -> int:
        """0 at an utterance's first chunk, then 1."""
        return min(self._done, 1)

    def _check_open(self) -> None:
        if self._closed:
            raise RecognitionError("the session is closed")

    def _begin(self) -> None:
        self._features = self._new_features()
        self._start_ms = self._now_ms
        self._waiting: Any = None
        self._before: Any = None
        self._caches: tuple[Any, Any, Any] | None = None
        self._hypothesis: Any = None
        self._done = 0
        self._token_ms: list[int] = []

    def _free(self) -> None:
        """Let go of the caches, which may lie on a graphics card."""
        self._caches = self._hypothesis = self._waiting = self._before = None
        self._on_freed()

    def _take(self, features: Any) -> None:
        if features is not None:
            self._waiting = features if self._waiting is None else _joined(self._waiting, features)

    def _step(self, *, last: bool) -> None:
        """Give the model its next chunk, with the frames from before that its first layers look back at."""
        now, chunking = self._later, self._chunking
        lookback, size = chunking.lookback[now], chunking.sizes[now]
        chunk = self._waiting[:, :, :size]
        if lookback:
            chunk = _joined(_last_frames(self._before, lookback, chunk), chunk)
        step = Step(
            chunk,
            self._caches or self._fresh_caches(),
            self._hypothesis,
            chunking.drop_extra if self._done else 0,
            last,
        )
        self._steps.do(step)
        self._caches, self._hypothesis = step.caches, step.hypothesis
        shift = self._waiting.shape[2] if last else chunking.shifts[now]
        gone = self._waiting[:, :, :shift]
        self._before = gone if self._before is None else _joined(self._before, gone)[:, :, -max(chunking.lookback) :]
        self._waiting = self._waiting[:, :, shift:]
        self._done += 1
        heard_ms = self._now_ms
        self._token_ms += [heard_ms] * (len(self._tokens()) - len(self._token_ms))

    def _tokens(self) -> list[int]:
        sequence = getattr(self._hypothesis, "y_sequence", None)
        return [] if sequence is None else [int(token) for token in sequence]

    def _times(self) -> list[int]:
        """When each token was said, in the session's audio; where the model does not tell, when it was heard."""
        stamps = getattr(self._hypothesis, "timestamp", None)
        stamps = [] if stamps is None else [int(stamp) for stamp in stamps]
        if len(stamps) != len(self._token_ms) or any(late < early for early, late in pairwise(stamps)):
            return self._token_ms
        return [min(self._start_ms + stamp * self._chunking.frame_ms, self._now_ms) for stamp in stamps]

    def _words(self) -> list[Word]:
        """Pieces joined to words; a word ends where the next begins, or with its last piece's frame."""
        words: list[Word] = []
        for piece, at_ms in zip(self._pieces_of(self._tokens()), self._times(), strict=True):
            end_ms = min(at_ms + self._chunking.frame_ms, max(self._now_ms, at_ms))
            begins, text = piece.startswith("\u2581"), piece.lstrip("\u2581")
            if begins or not words:
                words.append(Word(text, at_ms, end_ms))
            else:
                words[-1] = Word(words[-1].text + text, words[-1].start_ms, end_ms)
        return [word for word in words if word.text]

    def _told(self) -> tuple[str, str]:
        """Words that stand, and the one that may still grow."""
        words = [word.text for word in self._words()]
        return " ".join(words[:-1]), " ".join(words[-1:])

    def _partial(self) -> Partial:
        stands, grows = self._told()
        return Partial(self._utterance, self._start_ms, stands, self._now_ms, grows)


def _joined(first: Any, second: Any) -> Any:
    torch = library("torch")

    return torch.cat([first, second], 2)


def _last_frames(before: Any, count: int, like: Any) -> Any:
    """The last `count` frames; silence, as the model takes it, where there were not so many."""
    torch = library("torch")

    if before is None:
        before = like[:, :, :0]
    have = min(count, before.shape[2])
    padding = torch.zeros(1, like.shape[1], count - have, dtype=like.dtype, device=like.device)
    return padding if not have else torch.cat([padding, before[:, :, before.shape[2] - have :]], 2)
