"""The real-time thread of the room: each frame of the microphone, as it comes, to the gate and to whoever listens."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from her_os.audio.frame_queue import FrameQueue
from her_os.audio.voice_activity import FastVoiceGate
from her_os.contracts.audio import FRAME_BYTES, FRAME_MS
from her_os.contracts.errors import HerOsError
from her_os.contracts.wake_word import WakeWord, WakeWordEngine
from her_os.daemons.wake_metrics import WakeMetrics
from her_os.telephony.rtp.sockets import favour_this_thread

log = logging.getLogger(__name__)
_REMEMBERED = 50
"""Frames kept, so that what follows the wake word at once is not lost."""
_WAIT_S = 0.5
STUCK_S = 5.0
OnFrame = Callable[[bytes, bool, float], None]
"""A frame, whether it is voiced, when it came. On our thread."""
OnWake = Callable[[WakeWord, list[bytes]], None]
"""The wake word, and the frames behind its end. On our thread."""


class WakeEars:
    """`listen` and `listening` say whether the wake word is looked for; frames go to `on_frame` all the time."""

    def __init__(
        self, queue: FrameQueue, engine: WakeWordEngine, metrics: WakeMetrics, on_frame: OnFrame, on_wake: OnWake
    ) -> None:
        self._queue, self._engine, self._metrics = queue, engine, metrics
        self._on_frame, self._on_wake = on_frame, on_wake
        self._gate = FastVoiceGate(mode=2)
        self._recent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._half = b""
        self._listening = self._fed = False
        self._busy_since: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wake-ears", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Idempotent; not from the thread itself."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def listen(self, on: bool) -> None:
        """Look for the wake word, or do not. From any thread."""
        self._listening = on

    def alive(self) -> bool:
        """Whether the thread runs, and no frame has kept it for seconds."""
        since = self._busy_since
        return self._thread.is_alive() and (since is None or time.monotonic() - since < STUCK_S)

    def _run(self) -> None:
        favour_this_thread()
        faults = 0
        while not self._stopping.is_set():
            frame = self._queue.get(_WAIT_S)
            if frame is None:
                continue
            self._busy_since = begun = time.monotonic()
            try:
                self._frames(*frame)
            except HerOsError as error:
                faults += 1
                if faults <= 3:
                    log.error("a frame could not be handled: %s", error)  # noqa: TRY400 - the message says it
                self._engine.reset()
            self._busy_since = None
            self._metrics.handled(time.monotonic() - begun, begun - frame[1])

    def _frames(self, pcm: bytes, came_at: float) -> None:
        """What a device gives need not be whole frames."""
        self._half += pcm
        while len(self._half) >= FRAME_BYTES:
            frame, self._half = self._half[:FRAME_BYTES], self._half[FRAME_BYTES:]
            self._frame(frame, came_at)

    def _frame(self, frame: bytes, came_at: float) -> None:
        voiced = self._gate.is_voice(frame)
        self._recent.append(frame)
        if not self._listening:
            self._fed = False
        else:
            if not self._fed:
                self._engine.reset()
                self._fed = True
            if (found := self._engine.feed(frame, voiced=voiced)) is not None:
                behind = min(len(self._recent), -(-found.ended_ago_ms // FRAME_MS))
                self._on_wake(found, list(self._recent)[len(self._recent) - behind :])
        self._on_frame(frame, voiced, came_at)
