"""The speech stage: the channels of a recording through a recogniser, into segments with speakers and word times.

A recording of a call has the caller left and the assistant right, so who spoke is exact, also where both did; what
the assistant said the call log knows better than any recogniser. Any
other recording is heard as a whole: a diariser tells its voices apart, or the transcript says that one was assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from her_os.contracts.speech_to_text import Final
from her_os.contracts.transcripts import (
    CallFacts,
    Diariser,
    Progress,
    RecordingRecogniser,
    Segment,
    Speaker,
    Transcript,
)
from her_os.transcripts.exact_words import with_exact_words
from her_os.transcripts.voices import tell_apart

ONE_SPEAKER = "One speaker was assumed: the recording does not keep its voices apart."
EXACT = "The assistant's words are those of the call log; recognition gave their times."
DIARISED = "Who spoke was told by the sound of the voices, which can be wrong."
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
    recogniser: RecordingRecogniser,
    language: str,
    tell: Callable[[Progress], None],
    diariser: Diariser | None = None,
) -> Transcript:
    """Transcribe with a loaded recogniser, and a loaded diariser where voices share a channel. Blocks.

    Raises RecognitionError, ConfigError.
    """
    speakers, notices = _speakers(recording, call)
    segments: list[Segment] = []
    total = recording.duration_ms * len(speakers)
    for number, speaker in enumerate(speakers):
        start = number * recording.duration_ms
        pcm = recording.read(speaker.channel)
        for final in recogniser.recognise(pcm, language, lambda ms, start=start: tell(_told(start + ms, total))):
            segments.append(_segment(speaker, final))
    segments, exact = with_exact_words(segments, call.turns)
    notices += (EXACT,) if exact else ()
    if diariser and speakers[0].channel is None and segments:
        tell(Progress(step="diarise"))
        segments, speakers = tell_apart(segments, diariser.spans(recording.read(None)))
        notices = (DIARISED,)
    segments.sort(key=lambda segment: (segment.start_ms, segment.end_ms))
    return Transcript(
        source=recording.source,
        recorded_at=recording.recorded_at,
        duration_ms=recording.duration_ms,
        language=language,
        engine=recogniser.name,
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
