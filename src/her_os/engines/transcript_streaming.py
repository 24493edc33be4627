"""A streaming engine, the same as a call uses, as a recogniser of recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_MS, SAMPLE_WIDTH
from her_os.contracts.speech_to_text import Final, RecognitionSession, SpeechToTextEngine
from her_os.contracts.voice_activity import VoiceGate

_END_MS = 700
"""Silence that ends a segment."""
_LONGEST_MS = 30_000
_TELL_EVERY_MS = 5_000


class StreamingRecogniser:
    """A RecordingRecogniser. A segment ends where the voice rests, or after half a minute without rest."""

    def __init__(self, engine: SpeechToTextEngine, new_gate: Callable[[], VoiceGate]) -> None:
        self._engine, self._new_gate, self.name = engine, new_gate, engine.name

    def load(self) -> None:
        """Load the engine."""
        self._engine.load()

    def recognise(self, pcm: Iterable[bytes], language: str, tell: Callable[[int], None]) -> Iterator[Final]:
        """In a session of its own."""
        session = self._engine.open_session("transcript", language)
        try:
            yield from _listen(session, pcm, self._new_gate(), tell)
        finally:
            session.close()

    def unload(self) -> None:
        """Free the engine."""
        self._engine.unload()


def _listen(
    session: RecognitionSession, blocks: Iterable[bytes], gate: VoiceGate, tell: Callable[[int], None]
) -> Iterator[Final]:
    rest, frames, silent_ms, open_ms, voiced = b"", 0, 0, 0, False
    for block in blocks:
        pcm = rest + block
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        rest = pcm[whole:]
        for at in range(0, whole, FRAME_BYTES):
            frame = pcm[at : at + FRAME_BYTES]
            session.accept(frame)
            frames += 1
            if gate.is_voice(frame):
                voiced, silent_ms = True, 0
            else:
                silent_ms += FRAME_MS
            open_ms = open_ms + FRAME_MS if voiced else 0
            if voiced and (silent_ms >= _END_MS or open_ms >= _LONGEST_MS):
                yield from _end(session)
                voiced = False
            if frames * FRAME_MS % _TELL_EVERY_MS == 0:
                tell(frames * FRAME_MS)
    session.accept(rest)
    tell(frames * FRAME_MS + len(rest) * 1000 // (CONVERSATION_RATE * SAMPLE_WIDTH))
    yield from _end(session)


def _end(session: RecognitionSession) -> Iterator[Final]:
    final = session.finalize()
    if final.text:
        yield final
