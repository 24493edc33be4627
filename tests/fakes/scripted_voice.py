"""TextToSpeechEngine whose every step the test allows: time plays no part.

A step is one emitted 20 ms chunk of `TONE`. `steps` says how many steps a piece has, `allow(n)` lets n of them
happen, `allow_all()` opens the gate for good. Words in the text script a piece: `broken` fails at its second step,
`broken-at-once` before its first, `stubborn` does three more steps after it was cancelled, `endless` never ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from her_os.contracts.text_to_speech import SynthesisReport

RATE = 16_000
CHUNK = b"\x10\x20" * (RATE // 50)
STUBBORN_STEPS = 3


class ScriptedVoice:
    name = "scripted"
    sample_rate = RATE
    voices = ("first", "second")

    def __init__(self, *, steps: int = 4, open_gate: bool = False) -> None:
        self._steps = steps
        self._gate = threading.Semaphore(0)
        self._open = open_gate
        self.load_gate: threading.Event | None = None
        self.steps_taken = 0
        self.pieces: list[str] = []
        self.voices_used: list[str] = []
        self.inside = threading.Event()
        self.thread: threading.Thread | None = None

    def load(self) -> None:
        self.thread = threading.current_thread()
        if self.load_gate is not None:
            self.load_gate.wait()

    def unload(self) -> None:
        self.inside.clear()

    def allow(self, steps: int) -> None:
        self._gate.release(steps)

    def allow_all(self) -> None:
        self._open = True
        self._gate.release()

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        self.pieces.append(text)
        self.voices_used.append(voice)
        if "broken-at-once" in text:
            raise RuntimeError("scripted failure")
        self.inside.set()
        try:
            return self._run(text, cancel, emit)
        finally:
            self.inside.clear()

    def _run(self, text: str, cancel: threading.Event, emit: Callable[[bytes], None]) -> SynthesisReport:
        stubborn = STUBBORN_STEPS if "stubborn" in text else 0
        done = late = 0
        while "endless" in text or done < self._steps:
            if cancel.is_set() and late >= stubborn:
                break
            if not self._open and not self._gate.acquire(timeout=0.005):
                continue
            if cancel.is_set():
                if late >= stubborn:
                    break
                late += 1
            self.steps_taken += 1
            done += 1
            if "broken" in text and done == 2:
                raise RuntimeError("scripted failure")
            emit(CHUNK)
        return SynthesisReport(done * len(CHUNK) // 2, done, cancel.is_set(), late)


class UncancellableVoice(ScriptedVoice):
    """The negative control: an engine that does not look at its event."""

    name = "uncancellable"

    def synthesize(
        self, text: str, voice: str, cancel: threading.Event, emit: Callable[[bytes], None]
    ) -> SynthesisReport:
        return super().synthesize(text, voice, threading.Event(), emit)
