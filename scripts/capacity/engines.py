"""A recogniser and a voice that cost nothing and take a known time: her-os plug-ins, `capacity.engines:...`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from her_os.contracts.speech_to_text import Final, Partial
from her_os.contracts.text_to_speech import SynthesisReport

WORDS = "tell me more"
FINAL_S = 0.030
FIRST_AUDIO_S = 0.050
RATE = 16_000
CHUNK = RATE // 25
"""Samples a step, 40 ms."""
LETTER_S = 0.06
CODE_WORDS = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima",
)  # fmt: skip
"""The language model (`llama-server` beside this) puts one in each sentence: those of one answer are alike, those of
the next answer another. The voice hums it, so that a caller can tell on the wire which answer a packet is of."""


class ScriptedRecogniser:
    """Hears the same words in every utterance; each final takes 30 ms."""

    name, sample_rate = "scripted", RATE

    def load(self) -> None:
        """Nothing to load."""

    def open_session(self, session_id: str, language: str) -> ScriptedSession:
        """A session that counts samples."""
        return ScriptedSession()

    def unload(self) -> None:
        """Nothing to free."""


class ScriptedSession:
    """One caller's stream."""

    def __init__(self) -> None:
        self._samples = self._start = self._utterance = 0

    def accept(self, pcm: bytes) -> Sequence[Partial]:
        """The words are known from the first sound on."""
        first = self._samples == self._start
        self._samples += len(pcm) // 2
        return [Partial(self._utterance, self._start // 16, WORDS, self._samples // 16)] if first else []

    def finalize(self) -> Final:
        """Takes its 30 ms."""
        time.sleep(FINAL_S)
        final = Final(
            self._utterance, self._start // 16, WORDS if self._samples > self._start else "", self._samples // 16
        )
        self._utterance, self._start = self._utterance + 1, self._samples
        return final

    def close(self) -> None:
        """Nothing to free."""


def hum_hz(text: str) -> int:
    """The pitch of a text: 200 Hz, or from 400 Hz in steps of 100 for the code word in it."""
    return next((400 + 100 * at for at, word in enumerate(CODE_WORDS) if word in text.lower()), 200)


class ScriptedVoice:
    """A hum as long as the text would take to say: first audio after 50 ms, the rest at once."""

    name, sample_rate, voices = "scripted", RATE, ("hum",)

    def load(self) -> None:
        """Nothing to load."""

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        """Looks at `cancel` at every step."""
        cancel.wait(FIRST_AUDIO_S)
        wave = np.sin(np.arange(CHUNK) * 2 * np.pi * hum_hz(text) / RATE) * 8000
        chunk = wave.astype("<i2").tobytes()
        steps = max(1, int(len(text) * LETTER_S * RATE / CHUNK))
        for step in range(steps):
            if cancel.is_set():
                return SynthesisReport(step * CHUNK, step, cancelled=True)
            emit(chunk)
        return SynthesisReport(steps * CHUNK, steps, cancelled=False)

    def unload(self) -> None:
        """Nothing to free."""
