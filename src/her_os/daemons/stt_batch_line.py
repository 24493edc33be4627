"""Requests waiting for the one worker: a bounded line, first come first served, one at a time.

What waits and loses its client is taken out; what the worker is doing goes on to its end, and its place with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from her_os.audio.sound_file import SoundFile, read_channel
from her_os.contracts.audio import CONVERSATION_RATE, SAMPLE_WIDTH
from her_os.contracts.errors import CapacityError, NotReadyError, ProtocolError, RecognitionError
from her_os.contracts.speech_to_text import Final
from her_os.engines.speech_worker_client import SpeechWorker

_READY_S = 120.0
"""How long the first of the line waits for a fresh worker."""
_LATE_S = 60.0


class BadSound(ProtocolError):
    """What was sent cannot be heard: no sound, broken, of an unknown kind."""

    code = "bad_audio"


class TooLong(ProtocolError):
    """More than the daemon takes in one request."""

    code = "too_large"


class BatchLine:
    """`requests` counts whoever was admitted and is not done. Event loop only, but for `close`."""

    def __init__(self, worker: SpeechWorker, *, max_requests: int, max_audio_s: int, deadline_s: float) -> None:
        self.worker, self._max_requests = worker, max_requests
        self._max_audio_s, self._deadline_s = max_audio_s, deadline_s
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="stt-batch")
        self._busy_since: float | None = None
        self.requests = 0

    @contextmanager
    def place(self) -> Generator[None]:
        """A place in the line, from the upload to the answer. Raises CapacityError when there is none."""
        if self.requests >= self._max_requests:
            raise CapacityError(f"{self.requests} requests are waiting already; try again later")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    async def recognise(self, sound: SoundFile, language: str) -> tuple[Final, ...]:
        """Wait for the worker, and for its answer.

        Raises BadSound, TooLong, NotReadyError, WorkerCrashed, WorkerHung, RecognitionError, ConfigError (language).
        """
        if sound.duration_ms > self._max_audio_s * 1000:
            raise TooLong(f"{sound.duration_ms / 1000:.0f} s of sound; at most {self._max_audio_s} s are taken")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, sound, language)

    async def reload(self) -> None:
        """A fresh worker, after what the present one is doing."""
        await asyncio.to_thread(self.worker.host.reload)

    def alive(self) -> bool:
        """False where a fresh worker does not help any more, or the work hangs before it gets to one."""
        since, most_s = self._busy_since, self._deadline_s + _READY_S + _LATE_S
        return not self.worker.host.broken and (since is None or time.monotonic() - since < most_s)

    def close(self) -> None:
        """End the worker and with it what it was doing. Blocks."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.worker.host.stop()
        self._executor.shutdown(wait=True)

    def _work(self, sound: SoundFile, language: str) -> tuple[Final, ...]:
        self._busy_since = time.monotonic()
        try:
            pcm = self._decode(sound)
            return self.worker.recognise(
                pcm, language, deadline_s=self._deadline_s, turn_s=self._deadline_s, ready_s=_READY_S
            )
        except CapacityError as error:
            raise NotReadyError(error.message) from error
        finally:
            self._busy_since = None

    def _decode(self, sound: SoundFile) -> bytes:
        """All of it as 16 kHz mono; a file that says it is short and is not is found out here."""
        pcm, most = bytearray(), self._max_audio_s * CONVERSATION_RATE * SAMPLE_WIDTH
        blocks = read_channel(sound, None)
        try:
            for block in blocks:
                pcm += block
                if len(pcm) > most + CONVERSATION_RATE * SAMPLE_WIDTH:
                    raise TooLong(f"more than {self._max_audio_s} s of sound, which is the most that is taken")
        except (RecognitionError, OSError) as error:
            raise BadSound(getattr(error, "message", str(error))) from error
        finally:
            blocks.close()
        return bytes(pcm)
