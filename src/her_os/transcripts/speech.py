"""The speech stage: the channels of a recording through a recogniser, into segments with speakers and word times.

A recording of a call has the caller left and the assistant right, so who spoke is exact, also where both did. Any
other recording is heard as one voice, and the transcript says that one speaker was assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from her_os.contracts.audio import CONVERSATION_RATE, FRAME_BYTES, FRAME_MS, SAMPLE_WIDTH
from her_os.contracts.speech_to_text import Final, RecognitionSession, SpeechToTextEngine
from her_os.contracts.transcripts import CallFacts, Progress, Segment, Speaker, Transcript
from her_os.contracts.voice_activity import VoiceGate

_END_MS = 700
"""Silence that ends a segment."""
_LONGEST_MS = 30_000
_TELL_EVERY_MS = 5_000
ONE_SPEAKER = "One speaker was assumed: the recording does not keep its voices apart."
NO_SPEECH = "No speech was recognised."


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording whose sound is read channel by channel, as 16 kHz int16 PCM in blocks of any size.

    `read(None)` gives all channels mixed.
    """

    source: str
    recorded_at: float
    duration_ms: int
    channels: int
    read: Callable[[int | None], Iterable[bytes]]


def transcribe(
    recording: Recording,
    call: CallFacts,
    engine: SpeechToTextEngine,
    language: str,
    new_gate: Callable[[], VoiceGate],
    tell: Callable[[Progress], None],
) -> Transcript:
    """Transcribe with a loaded engine. Blocks. Raises RecognitionError, ConfigError."""
    speakers, notices = _speakers(recording, call)
    segments: list[Segment] = []
    total = recording.duration_ms * len(speakers)
    for number, speaker in enumerate(speakers):
        start = number * recording.duration_ms
        session = engine.open_session(f"transcript-{number}", language)
        try:
            pcm = recording.read(speaker.channel)
            for final in _listen(session, pcm, new_gate(), lambda ms, start=start: tell(_told(start + ms, total))):
                segments.append(_segment(speaker, final))
        finally:
            session.close()
    segments.sort(key=lambda segment: (segment.start_ms, segment.end_ms))
    return Transcript(
        source=recording.source,
        recorded_at=recording.recorded_at,
        duration_ms=recording.duration_ms,
        language=language,
        engine=engine.name,
        speakers=tuple(speakers),
        segments=tuple(segments),
        call_id=call.call_id,
        notices=notices if segments else (*notices, NO_SPEECH),
    )


def _told(done_ms: int, total_ms: int) -> Progress:
    return Progress(step="transcribe", done=min(done_ms, total_ms), total=total_ms)


def _speakers(recording: Recording, call: CallFacts) -> tuple[list[Speaker], tuple[str, ...]]:
    if recording.channels == 2 and call.call_id:
        caller = Speaker(id="caller", name=call.caller_name or "caller", evidence="channel", channel=0)
        assistant = Speaker(id="assistant", name=call.assistant_name or "assistant", evidence="channel", channel=1)
        return [caller, assistant], ()
    return [Speaker(id="speaker", name="speaker", evidence="assumed")], (ONE_SPEAKER,)


def _segment(speaker: Speaker, final: Final) -> Segment:
    start_ms = final.words[0].start_ms if final.words else final.start_ms
    end_ms = final.words[-1].end_ms if final.words else final.audio_ms
    return Segment(speaker=speaker.id, start_ms=start_ms, end_ms=end_ms, text=final.text, words=final.words)


def _listen(
    session: RecognitionSession, blocks: Iterable[bytes], gate: VoiceGate, tell: Callable[[int], None]
) -> Iterator[Final]:
    """Finals of all that is said. A segment ends where the voice rests, or after half a minute without rest."""
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
