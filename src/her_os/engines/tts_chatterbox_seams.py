"""Sound from speech tokens while more of them are still to come: which to render when, and seams nobody hears.

    tokens   [.. context ..|.... new ....|look]     rendered together; the last three are only looked at
    sound             tail~|.... new ....~tail      the seam is faded over, the end is kept back for the next one

The renderer needs tokens from before as context, or each stretch would begin like an utterance; it renders the seam
anew, and there the old and the new sound are faded into each other. Pure: numpy and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Render = Callable[[Sequence[int], int, bool], Samples]
"""Sound of tokens, of which the first is that number in the utterance; True: no more will come. Otherwise without the
sound of the last three."""

TOKEN_SAMPLES = 960
"""25 tokens a second at 24 kHz."""
LOOKAHEAD_TOKENS = 3
CHUNK_TOKENS = 25
CONTEXT_TOKENS = 25
SEAM_SAMPLES = TOKEN_SAMPLES


class Seams:
    """The tokens of one utterance. `chunk_tokens` None: all of it at the end."""

    def __init__(self, render: Render, emit: Callable[[Samples], None], chunk_tokens: int | None) -> None:
        self._render, self._emit, self._chunk = render, emit, chunk_tokens
        self._tokens: list[int] = []
        self._rendered = 0
        self._tail: Samples = np.zeros(0, np.float32)

    def push(self, token: int) -> None:
        """One more token; renders and emits where enough are there. Raises what those raise."""
        self._tokens.append(token)
        if self._chunk is not None and len(self._tokens) - self._rendered >= self._chunk:
            self._speak(last=False)

    def close(self, closing: Sequence[int] = ()) -> None:
        """The utterance ends, with the tokens `closing` after it. The rest is rendered and emitted."""
        if self._tokens:
            self._tokens += closing
            self._speak(last=True)

    def _speak(self, *, last: bool) -> None:
        start = max(0, self._rendered - CONTEXT_TOKENS)
        sound = self._render(self._tokens[start:], start, last)
        new = (self._rendered - start) * TOKEN_SAMPLES - len(self._tail)
        fresh = fade_over(self._tail, sound[max(0, new) :])
        kept = 0 if last else min(SEAM_SAMPLES, len(fresh))
        self._rendered = len(self._tokens) - (0 if last else LOOKAHEAD_TOKENS)
        self._tail = fresh[len(fresh) - kept :]
        if len(fresh) > kept:
            self._emit(fresh[: len(fresh) - kept])


def fade_over(old: Samples, new: Samples) -> Samples:
    """`new`, which begins where `old` does and is louder from sample to sample while `old` fades."""
    length = min(len(old), len(new))
    if not length:
        return new
    rising = np.linspace(0, 1, length, dtype=np.float32)
    seam = old[:length] * (1 - rising) + new[:length] * rising
    return np.concatenate([seam, new[length:]]).astype(np.float32)
