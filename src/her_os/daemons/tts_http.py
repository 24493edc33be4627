"""The HTTP face of the text-to-speech daemon.

    POST /v1/synthesize {session_id, text, voice}   200 chunked audio/pcm;rate=N, from the first chunk on
    POST /cancel/{session_id}                       200 CancelReport, once the thread has left the session
    POST /v1/audio/speech {model, input, voice, response_format}   the de-facto standard; pcm or wav

Errors before any audio are JSON `{"error": {"code", "message"}}`: 400 malformed, unknown voice (names the known
ones); 410 the session was cancelled; 413 text too long; 500 the engine failed; 503 still loading or queue full.
After the first audio an error closes the connection without the final chunk, so that the client sees the
truncation. Text without anything to say (empty, blank) is 200 with no samples. A client that disconnects has
cancelled its own request, and no other.
"""

from __future__ import annotations

import io
import itertools
import logging
import time
import wave
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from her_os.contracts.audio import SAMPLE_WIDTH
from her_os.contracts.errors import (
    CancelledTurn,
    CapacityError,
    ConfigError,
    HerOsError,
    NotReadyError,
    ProtocolError,
)
from her_os.contracts.text_to_speech import CancelReport, SynthesisRequest
from her_os.conversation.speakable import make_speakable
from her_os.daemons.tts_metrics import TtsMetrics
from her_os.daemons.tts_sessions import SessionBook, check_session_id
from her_os.daemons.tts_synthesis import SynthesisJob, SynthesisThread
from her_os.engines.tts_pieces import cut_pieces

log = logging.getLogger(__name__)
BodyT = TypeVar("BodyT")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS: dict[type[HerOsError], int] = {
    ProtocolError: 400,
    ConfigError: 400,
    CancelledTurn: 410,
    CapacityError: 503,
    NotReadyError: 503,
}


class TextTooLong(ProtocolError):
    """More characters than the daemon takes in one request."""

    code = "text_too_long"


class SpeechRequest(msgspec.Struct, frozen=True):
    """Body of `POST /v1/audio/speech`, as OpenAI's API has it. Fields we do not know are ignored.

    `input` is spoken after the conversation's normalisation (numbers, Markdown). `model` is not looked at.
    """

    input: str
    model: str = ""
    voice: str = ""
    response_format: str = "wav"
    speed: float = 1.0


class TtsHttp:
    """Handlers over one synthesis thread and one session book."""

    def __init__(
        self,
        thread: SynthesisThread,
        book: SessionBook[SynthesisJob],
        metrics: TtsMetrics,
        *,
        default_voice: str,
        max_text_chars: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thread, self._book, self._metrics, self._clock = thread, book, metrics, clock
        self._default_voice, self._max_text_chars = default_voice, max_text_chars
        self._anonymous = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/synthesize", _errors_as_json(self.synthesize)),
            web.post("/cancel/{session_id}", _errors_as_json(self.cancel)),
            web.post("/v1/audio/speech", _errors_as_json(self.speech)),
        ]

    async def synthesize(self, request: web.Request) -> web.StreamResponse:
        arrived = self._clock()
        body = _decode(await request.read(), SynthesisRequest)
        job = self._enter(check_session_id(body.session_id), body.text, body.voice)
        return await self._answer(job, lambda: self._stream(request, job, arrived))

    async def speech(self, request: web.Request) -> web.StreamResponse:
        arrived = self._clock()
        body = _decode(await request.read(), SpeechRequest)
        if body.response_format not in {"pcm", "wav"}:
            raise ProtocolError(f"response_format {body.response_format!r} is not available; known: pcm, wav")
        if body.speed != 1.0:
            raise ProtocolError("speed is fixed at 1.0")
        self._check_length(body.input)
        job = self._enter(f"speech-api.{next(self._anonymous)}", make_speakable(body.input).text, body.voice)
        if body.response_format == "pcm":
            return await self._answer(job, lambda: self._stream(request, job, arrived))
        return await self._answer(job, lambda: self._wav(job))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        arrived = self._clock()
        session_id = check_session_id(request.match_info["session_id"])
        known = self._book.has_finished(session_id)
        jobs = self._book.cancel(session_id)
        ended = [job for job in jobs if not job.cancel.is_set()]
        running = [job for job in jobs if self._thread.stop(job)]
        for job in running:
            await job.left.wait()
        report = CancelReport(
            cancelled=len(ended),
            stopped_after_ms=max((round((job.left_at - arrived) * 1000, 3) for job in running), default=0.0),
            steps_after_cancel=sum(job.steps_after_cancel for job in running),
            state="running" if running else "queued" if jobs else "finished" if known else "unknown",
        )
        self._metrics.count_cancel(report)
        log.info("session %s: cancel, it was %s", session_id, report.state)
        return _json(200, report)

    def _check_length(self, text: str) -> None:
        if len(text) > self._max_text_chars:
            raise TextTooLong(f"the text has {len(text)} characters; at most {self._max_text_chars} are taken")

    def _enter(self, session_id: str, text: str, voice: str) -> SynthesisJob:
        """Check a request, note it in the book and queue it."""
        self._check_length(text)
        voices = self._thread.engine.voices
        voice = voice or self._default_voice
        if voice and voice not in voices:
            raise ProtocolError(f"unknown voice {voice!r}; known: {', '.join(voices)}")
        job = self._thread.new_job(session_id, cut_pieces(text), voice)
        self._book.open(session_id, job)
        try:
            self._thread.submit(job)
        except HerOsError:
            self._book.close(session_id, job)
            raise
        return job

    async def _answer(
        self, job: SynthesisJob, produce: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Run a response and, however it ends (a disconnect cancels this task), see the thread leave its job."""
        outcome = "disconnected"
        try:
            response = await produce()
        except CancelledTurn:
            outcome = "cancelled"
            raise
        except HerOsError:
            outcome = "failed"
            raise
        else:
            outcome = "spoken"
            return response
        finally:
            speech_s = job.samples / self._thread.engine.sample_rate
            self._metrics.requests.labels(outcome).inc()
            self._metrics.audio.inc(speech_s)
            log.info("session %s: %s, %.1f s of speech", job.session_id, outcome, speech_s)
            self._thread.stop(job)
            try:
                await job.left.wait()
            finally:
                self._book.close(job.session_id, job)

    async def _stream(self, request: web.Request, job: SynthesisJob, arrived: float) -> web.StreamResponse:
        """Audio as it comes. The headers wait for the first chunk, so that an early error has its own status."""
        pcm = await job.pcm.take()
        if pcm:
            self._metrics.first_chunk.observe(self._clock() - arrived)
        response = web.StreamResponse(headers={"Content-Type": f"audio/pcm;rate={self._thread.engine.sample_rate}"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while pcm:
                await response.write(pcm)
                pcm = await job.pcm.take()
        except HerOsError:
            if request.transport is not None:
                request.transport.close()
            raise
        await response.write_eof()
        return response

    async def _wav(self, job: SynthesisJob) -> web.Response:
        """The whole as a WAV file; its header needs the length, therefore it cannot be streamed."""
        data = bytearray()
        while pcm := await job.pcm.take():
            data += pcm
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(SAMPLE_WIDTH)
            out.setframerate(self._thread.engine.sample_rate)
            out.writeframes(bytes(data))
        return web.Response(body=file.getvalue(), content_type="audio/wav")


def _decode(data: bytes, kind: type[BodyT]) -> BodyT:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"the body is not a {kind.__name__}: {error}") from error


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _errors_as_json(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionError:
            return web.Response()  # the client is gone, nobody reads this
        except HerOsError as error:
            status = 413 if isinstance(error, TextTooLong) else _STATUS.get(type(error), 500)
            return _json(status, {"error": {"code": error.code, "message": error.message}})

    return answer
