"""What becomes of a recording: transcript, summary, result; and what the main process and a worker say to each other.

Times are milliseconds of the recording unless the name says otherwise. Tuples are in the order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from her_os.contracts.speech_to_text import Final, Word

SCHEMA_VERSION = 1
"""Of `Transcript` and `Summary` as they are written to files. Raised when a field changes its meaning or goes."""

Stage = Literal["speech", "language"]
SummaryKind = Literal["none", "extractive", "generated"]
RecordingStatus = Literal["done", "failed", "quarantined", "skipped"]
SpeakerEvidence = Literal["channel", "diarised", "assumed"]


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who is heard. `id` is what segments name; `name` is for people, with a contact's name where known.

    `evidence` tells how the voice was told from others: by its own `channel` of the recording (exact), by a
    diarisation engine, or not at all (`assumed`: one speaker was assumed).
    """

    id: str
    name: str
    evidence: SpeakerEvidence
    channel: int | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of one speaker. Segments of different speakers may overlap in time."""

    speaker: str
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """The words of a recording. `recorded_at` is in seconds since 1970; `source` the recording's absolute path."""

    schema_version: int = SCHEMA_VERSION
    source: str
    recorded_at: float
    duration_ms: int
    language: str
    engine: str
    speakers: tuple[Speaker, ...]
    segments: tuple[Segment, ...]
    call_id: str = ""
    """The call in the call log; empty for a file that is no call."""
    notices: tuple[str, ...] = ()
    """What a reader must know, such as that one speaker was assumed."""


class SummaryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point with the time it came from; `speaker` is a speaker's id or empty."""

    at_ms: int
    text: str
    speaker: str = ""


class SummaryTask(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done: what, by whom and when, in the words that were said; empty where nobody said."""

    at_ms: int
    what: str
    who: str = ""
    when: str = ""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of kind `none` (empty) where it failed or was not wanted; `warning` then says why.

    `notice` tells how it was made; always shown beside it.
    """

    schema_version: int = SCHEMA_VERSION
    kind: SummaryKind = "none"
    points: tuple[SummaryPoint, ...] = ()
    tasks: tuple[SummaryTask, ...] = ()
    decisions: tuple[SummaryPoint, ...] = ()
    notice: str = ""
    warning: str = ""


class CallTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn of the call log. `at_ms` is when it was finished, from the beginning of the recording."""

    at_ms: int
    caller_text: str
    reply_text: str
    tools: tuple[str, ...] = ()
    outcome: str = ""


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the call log knows of a recording; empty `call_id` where it is no call of ours.

    `finished` is False while the call goes on.
    """

    call_id: str = ""
    started_at: float = 0.0
    caller_name: str = ""
    assistant_name: str = ""
    turns: tuple[CallTurn, ...] = ()
    finished: bool = True


class RecordingResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recording. `reason` is for people, `code` (of the error tree or of a worker) for programs.

    `failed` will be tried again on the next run, `quarantined` will not; `skipped` had been done before.
    """

    source: str
    status: RecordingStatus
    transcript: Transcript | None = None
    summary: Summary | None = None
    outputs: tuple[str, ...] = ()
    """Absolute paths of the files written."""
    code: str = ""
    reason: str = ""
    attempts: int = 1
    seconds: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything a person must be told although it was done."""
        notices = self.transcript.notices if self.transcript else ()
        return (*notices, self.summary.warning) if self.summary and self.summary.warning else notices


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True, tag="speech"):
    """Transcribe `source`. A worker reads exactly one request."""

    source: str
    call: CallFacts = CallFacts()


class LanguageRequest(msgspec.Struct, frozen=True, kw_only=True, tag="language"):
    """Summarise a transcript."""

    transcript: Transcript
    call: CallFacts = CallFacts()


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far a worker is; `step` is one of load, decode, transcribe, summarise. `total` is 0 while unknown.

    Also a sign of life: a worker that sends none for the configured time is taken to hang.
    """

    step: str
    done: int = 0
    total: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result"):
    """The worker's last event where all went well; one of the two is set."""

    transcript: Transcript | None = None
    summary: Summary | None = None
    peak_rss_bytes: int = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """The worker's last event where it did not: the same file would fail again unless `retry`."""

    code: str
    message: str
    retry: bool = False


WorkerRequest = SpeechRequest | LanguageRequest
WorkerEvent = Progress | Result | Failure
OnProgress = Callable[[Stage, Progress], None]


class RecordingRecogniser(Protocol):
    """Recognises whole recordings. One at a time; every method blocks."""

    name: str

    def load(self) -> None:
        """Load the model. Raises ConfigError (what to mend), EngineError."""
        ...

    def recognise(self, pcm: Iterable[bytes], language: str, tell: Callable[[int], None]) -> Iterator[Final]:
        """What one voice (or all mixed) says, in stretches, words with times.

        `pcm` is 16 kHz int16 in blocks of any size; `tell` is called now and then with the milliseconds done.
        Raises RecognitionError, ConfigError for a language it does not have.
        """
        ...

    def unload(self) -> None:
        """Free the model. Idempotent."""
        ...


class VoiceSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One voice is heard from `start_ms` to `end_ms`; `voice` tells it from the others of the recording."""

    start_ms: int
    end_ms: int
    voice: int


class Diariser(Protocol):
    """Tells voices apart. Every method blocks."""

    def load(self) -> None:
        """Load the models. Raises ConfigError (what to mend)."""
        ...

    def spans(self, pcm: Iterable[bytes]) -> list[VoiceSpan]:
        """Who is heard when in 16 kHz int16 `pcm`, in the order of time. Raises RecognitionError."""
        ...

    def unload(self) -> None:
        """Free the models. Idempotent."""
        ...


class OutputWriter(Protocol):
    """Writes the files and index of a recording that is done. Called in a thread; may block."""

    def write(self, transcript: Transcript, summary: Summary) -> tuple[Path, ...]:
        """Write everything, atomically; returns the files. Raises OSError."""
        ...


class BatchObserver(Protocol):
    """Told on the event loop what a batch does: progress bars, mail, log. Must not block; never raises."""

    def began(self, source: Path, number: int, total: int) -> None: ...

    def progress(self, source: Path, stage: Stage, event: Progress) -> None: ...

    def finished(self, result: RecordingResult) -> None: ...
