"""What outlives a session of the recogniser: the caller's audio, and the finals that somebody waits for."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from her_os.clients.audio_history import AudioHistory
from her_os.contracts.audio import CONVERSATION_RATE
from her_os.contracts.errors import HerOsError
from her_os.contracts.speech_to_text import Final


@dataclass(frozen=True, slots=True)
class PendingFinal:
    """A `finalize` that waits for its final: all audio before `at_sample` belongs to it."""

    at_sample: int
    result: asyncio.Future[Final]


class Backlog:
    """Event loop only. `changed` is set when there may be something to send."""

    def __init__(self, keep_s: float) -> None:
        self.audio = AudioHistory(round(keep_s * CONVERSATION_RATE))
        self.pending: deque[PendingFinal] = deque()
        self.unfinalised_from = 0
        """Where a new session begins: what was finalised is not said again."""
        self.changed = asyncio.Event()

    def push(self, pcm: bytes, sample_index: int) -> None:
        self.audio.push(pcm, sample_index)
        self.changed.set()

    @property
    def unfinalised_s(self) -> float:
        """Seconds of audio that no final has covered yet."""
        return self.audio.held_since(self.unfinalised_from) / CONVERSATION_RATE

    def ask_final(self) -> PendingFinal:
        """End the utterance after all audio pushed so far."""
        pending = PendingFinal(self.audio.end, asyncio.get_running_loop().create_future())
        self.pending.append(pending)
        self.changed.set()
        return pending

    def answer(self, final: Final) -> None:
        """The oldest pending final is here."""
        pending = self.pending.popleft()
        self.unfinalised_from = max(self.unfinalised_from, pending.at_sample)
        if not pending.result.done():
            pending.result.set_result(final)

    def fail_pending(self, error: HerOsError) -> None:
        """Nobody will answer. The audio stays unfinalised."""
        while self.pending:
            result = self.pending.popleft().result
            if not result.done():
                result.set_exception(error)

    def restart_from(self, sample: int) -> None:
        """The next session shall hear from `sample` on, whatever was finalised before."""
        self.unfinalised_from = sample
